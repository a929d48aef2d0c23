// A certified provider of OpenID Connect (npm's oidc-provider), whose people sign in by any name.
// Arguments: the module, what it is set to as JSON. It prints its issuer when it listens.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const { default: Provider } = await import(pathToFileURL(process.argv[2]));
const { clients, jwks, port } = JSON.parse(process.argv[3]);
const server = createServer().listen(port, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients, jwks,
    claims: { openid: ["sub"], profile: ["preferred_username"], email: ["email", "email_verified"] },
    cookies: { keys: ["of the tests"] },
    pkce: { required: () => true },
    findAccount: (_, id) => ({
      accountId: id, // the grant of its own forms names people so
      claims: () => ({
        sub: id, preferred_username: id,
        email: `${id}@example.org`, email_verified: id !== "eve",
      }),
    }),
  });
  provider.on("server_error", (_, error) => console.error(error));
  server.on("request", provider.callback());
  console.log(`issuer ${issuer}`);
});
process.stdin.on("end", () => process.exit(0)).resume();
