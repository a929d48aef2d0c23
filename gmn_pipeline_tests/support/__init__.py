"""What tests share: a synthetic archive, sites, brokers, servers, benches."""
