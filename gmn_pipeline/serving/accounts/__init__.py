"""Who is there: signing in and out, by browser.

    routes.py      the addresses
    provider.py    OpenID Connect: what the provider is asked, and what is believed of its answers
    cookies.py     what a browser keeps meanwhile
    service.py     the parts that these work with
    told.py        refusals as pages

What does not belong here: what somebody may do (`serving/objects/rights.py`,
`schemas/accounts.py`).
"""
