//! Prepares a registry: where it listens, whom it lets in, how fast it is.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::auth::{Door, Scheme};
use super::flow::Pace;
use super::serve::{self, Power};
use super::{Registry, Shared, State};

/// A registry that is not running yet.
#[derive(Debug)]
pub struct RegistryBuilder {
    address: Ipv4Addr,
    door: Door,
    tags_per_page: Option<usize>,
    link: Option<u64>,
}

impl Default for RegistryBuilder {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST,
            door: Door::default(),
            tags_per_page: None,
            link: None,
        }
    }
}

impl RegistryBuilder {
    /// Listens on another address of loopback, such as 127.0.0.2.
    #[must_use]
    pub fn on(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// Asks everyone for this account, by Basic authentication.
    #[must_use]
    pub fn basic(mut self, username: &str, password: &str) -> Self {
        self.door.scheme = Scheme::Basic;
        self.account(username, password)
    }

    /// Asks everyone for a token, which `/token` gives to everyone unless there is an account.
    #[must_use]
    pub fn bearer(mut self) -> Self {
        self.door.scheme = Scheme::Bearer { realm: None };
        self
    }

    /// As [`bearer`](Self::bearer), with a challenge that names another token endpoint.
    #[must_use]
    pub fn bearer_at(mut self, realm: &str) -> Self {
        self.door.scheme = Scheme::Bearer {
            realm: Some(realm.to_owned()),
        };
        self
    }

    /// Gives tokens only to this account; its password also serves as its identity token.
    #[must_use]
    pub fn account(mut self, username: &str, password: &str) -> Self {
        self.door.account = Some((username.to_owned(), password.to_owned()));
        self
    }

    /// Says how long a token is good for; a minute, unless said otherwise.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.door.lifetime = lifetime;
        self
    }

    /// Lists at most so many tags on a page.
    #[must_use]
    pub fn tags_per_page(mut self, tags: usize) -> Self {
        self.tags_per_page = Some(tags);
        self
    }

    /// Sends all bodies together at this speed.
    #[must_use]
    pub fn link(mut self, bytes_per_second: u64) -> Self {
        self.link = Some(bytes_per_second);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If there is no free port at that address.
    pub fn start(self) -> Registry {
        let listener = TcpListener::bind((self.address, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        listener
            .set_nonblocking(true)
            .expect("a socket can be told not to block");
        let shared = Arc::new(Shared {
            address,
            url: format!("http://{address}"),
            tags_per_page: self.tags_per_page,
            link: self.link.map(|speed| Arc::new(Pace::new(speed))),
            power: watch::Sender::new(Power::Up),
            state: Mutex::new(State {
                door: self.door,
                ..State::default()
            }),
            panicked: AtomicBool::new(false),
        });
        let serving = shared.clone();
        let thread = std::thread::Builder::new()
            .name(format!("registry {address}"))
            .spawn(move || run(serving, listener))
            .expect("the system has a thread to give");
        Registry {
            shared,
            thread: Some(thread),
        }
    }
}

fn run(shared: Arc<Shared>, listener: TcpListener) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread")
        .block_on(serve::serve(shared, listener));
}
