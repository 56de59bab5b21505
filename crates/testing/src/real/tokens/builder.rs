//! Configures a token server: users, token lifetimes, TLS.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::accounts::{AccountStore, RepositoryGrant};
use super::signer::Signer;
use super::{IssuerState, LEEWAY, TokenIssuer, TokenServer};
use crate::Ca;
use crate::real::local_server::LocalServer;

/// A token server that is not running yet.
#[derive(Debug)]
pub struct TokenServerBuilder {
    address: Ipv4Addr,
    ca: Option<Ca>,
    service: String,
    life: Duration,
    accepted: Option<Duration>,
    accepts_post: bool,
    accounts: AccountStore,
}

impl Default for TokenServerBuilder {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST,
            ca: None,
            service: "dock".to_owned(),
            life: Duration::from_secs(300),
            accepted: None,
            accepts_post: true,
            accounts: AccountStore::new(),
        }
    }
}

impl TokenServerBuilder {
    /// Adds a user with these grants, in addition to those of all users.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str, grants: &[RepositoryGrant]) -> Self {
        self.accounts.add(name, password, grants);
        self
    }

    /// Grants this to all clients, also without credentials.
    #[must_use]
    pub fn grant_to_all(mut self, grant: RepositoryGrant) -> Self {
        self.accounts.grant_to_all(grant);
        self
    }

    /// Sets the service of the registry; `dock` by default.
    #[must_use]
    pub fn service(mut self, name: &str) -> Self {
        name.clone_into(&mut self.service);
        self
    }

    /// Sets the lifetime of tokens, in whole seconds; five minutes by default. A `docker-registry` accepts them
    /// a minute longer, in case the clocks differ.
    #[must_use]
    pub fn token_lifetime(mut self, life: Duration) -> Self {
        self.life = life;
        self
    }

    /// Makes a `docker-registry` accept tokens for this long only, in whole seconds, whatever lifetime the
    /// client gets.
    #[must_use]
    pub fn accepted_lifetime(mut self, time: Duration) -> Self {
        self.accepted = Some(time);
        self
    }

    /// Responds to every `POST` with 405, like token servers without `OAuth2`.
    #[must_use]
    pub fn without_post(mut self) -> Self {
        self.accepts_post = false;
        self
    }

    /// Sets another address of loopback, such as 127.0.0.2.
    #[must_use]
    pub fn on(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// Enables TLS, with a certificate of `ca` for `localhost`, `auth.test` and its address.
    #[must_use]
    pub fn tls(mut self, ca: &Ca) -> Self {
        self.ca = Some(ca.clone());
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// If it cannot listen at its address.
    pub fn start(self) -> io::Result<TokenServer> {
        let token_issuer = Arc::new(TokenIssuer {
            signer: Signer::new(),
            service: self.service,
            issuer: "windlass test token server".to_owned(),
            life: self.life,
            accepted: self.accepted.unwrap_or(self.life + LEEWAY),
            accepts_post: self.accepts_post,
            state: Mutex::new(IssuerState {
                accounts: self.accounts,
                requests: Vec::new(),
                issued: 0,
            }),
        });
        let names = ["localhost", "auth.test", &self.address.to_string()];
        let identity = self.ca.as_ref().map(|ca| ca.server(&names));
        let answering = Arc::clone(&token_issuer);
        let service = LocalServer::start(self.address, identity.as_ref(), move |request| {
            let token_issuer = Arc::clone(&answering);
            async move { token_issuer.respond(request).await }
        })?;
        Ok(TokenServer {
            service,
            token_issuer,
            root: self.ca.map(|ca| ca.pem().to_owned()),
        })
    }
}
