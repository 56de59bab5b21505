//! A token server beside the registry: who is let in, who is told what, and tokens that end too early.

use std::thread;
use std::time::{Duration, Instant};

use windlass_testing::real::{
    DockerRegistry, PASSWORD, RegistryAuth, RepositoryGrant, TokenServer, TokenServerBuilder, USER,
};

use crate::Case;
use crate::command::Ran;
use crate::door::Door;
use crate::fixture::Fixture;
use crate::needs::REGISTRY;
use crate::valve::Valve;
use crate::world::World;

/// Somewhere in the first of two layers of a megabyte each.
const MIDWAY: u64 = 512 << 10;
/// Time for a pull to get there.
const ACCEPTED: Duration = Duration::from_secs(3);
/// How long a test waits for tokens to end.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "tokens::what_is_everybodys_needs_no_login",
        needs: REGISTRY,
        test: everybody,
    },
    Case {
        name: "tokens::who_may_not_or_is_not_known_is_told_so",
        needs: REGISTRY,
        test: told,
    },
    Case {
        name: "tokens::one_that_ends_in_mid_pull_is_renewed",
        needs: REGISTRY,
        test: renewed,
    },
];

/// A registry with a token server.
struct Guarded {
    server: TokenServer,
    registry: DockerRegistry,
    door: Door,
    host: String,
}

impl Guarded {
    fn new(world: &World, name: &str, server: TokenServerBuilder) -> Self {
        let door = Door::new(world, name);
        let server = server.start().unwrap();
        let access = RegistryAuth::Tokens(server.authority());
        let registry = DockerRegistry::start(&door.directory.join("registry"), access).unwrap();
        Self {
            host: registry.address().to_string(),
            server,
            registry,
            door,
        }
    }

    /// Pushes the gzip form of `fixture`, and returns its reference.
    fn push(&self, world: &World, fixture: Fixture, repository: &str) -> String {
        world.push(&self.registry, fixture, repository);
        format!("{}/{repository}:gzip", self.host)
    }

    #[track_caller]
    fn log_in(&self) {
        let ran = self.door.log_in(&self.host, PASSWORD);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    }
}

/// HT-11: a token is had without credentials, and there are none to be sent.
fn everybody(world: &World) {
    let server = TokenServer::builder().grant_to_all(RepositoryGrant::pull("deck/small"));
    let guarded = Guarded::new(world, "everybody", server);
    let name = guarded.push(world, Fixture::Small, "deck/small");
    let before = guarded.server.requests().len();

    guarded.door.windlass.succeeds(&["pull", &name]);

    let asked = guarded.server.requests().split_off(before);
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert!(!asked[0].has_authorization, "{asked:#?}");
    assert_eq!(asked[0].account, None);
}

/// HT-7, HT-14, I7: nobody, a user with a wrong password, one who may not, and one whose login has ended.
fn told(world: &World) {
    let server = TokenServer::builder().user("mate", "oar-and-sail", &[]);
    let guarded = Guarded::new(world, "told", server);
    let name = guarded.push(world, Fixture::Small, "hold/small");
    let (door, host) = (&guarded.door, &guarded.host);
    let log_in = format!("windlass login {host}");
    let says = |ran: &Ran, words: &[&str]| {
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
        for word in words {
            assert!(ran.stderr.contains(word), "{word:?}: {}", ran.stderr);
        }
        for secret in ["oar-and-sail", "refresh-", "eyJ"] {
            assert!(!ran.stderr.contains(secret), "{}", ran.stderr);
        }
    };

    says(&door.windlass.run(&["pull", &name]), &[host, &log_in]);
    let wrong = door.log_in_as("mate", host, "oar-and-sails");
    says(&wrong, &[host, "check user name and password"]);
    assert!(!door.directory.join("docker/config.json").exists());
    let mate = door.log_in_as("mate", host, "oar-and-sail");
    assert_eq!(mate.code, Some(0), "{mate:#?}");
    says(
        &door.windlass.run(&["pull", &name]),
        &["hold/small", &log_in],
    );
    guarded.log_in();
    door.windlass.succeeds(&["pull", &name]);
    guarded.server.revoke_refresh_tokens();
    says(
        &door.windlass.run(&["pull", &name]),
        &["log in again", &log_in],
    );
}

/// HT-12: the second layer is refused, a new token is had, and the pull goes on.
fn renewed(world: &World) {
    let server = TokenServer::builder().accepted_lifetime(ACCEPTED);
    let guarded = Guarded::new(world, "renewed", server);
    guarded.push(world, Fixture::Heavy, "hold/heavy");
    let valve = Valve::before(guarded.registry.address(), MIDWAY);
    let host = valve.address().to_string();
    let ran = guarded.door.log_in(&host, PASSWORD);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let name = format!("{host}/hold/heavy:gzip");
    let before = guarded.server.requests().len();

    let one_by_one = "--max-concurrent-downloads=1";
    let pull = { &guarded.door.windlass }.start(&["pull", one_by_one, &name]);
    valve.wait_until_holding();
    // One that is younger than the pull's.
    let token = guarded.server.access_token(USER, "hold/heavy");
    wait_until_refused(&guarded.registry, &token);
    let refused_before = refused(&guarded.registry);
    valve.open();
    let ran = Ran::from(pull.wait_with_output().unwrap());

    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let asked = guarded.server.requests().split_off(before);
    assert!(asked.len() >= 2, "{asked:#?}");
    assert!(
        asked.iter().all(|request| request.status == 200
            && request.account.as_deref() == Some(USER)
            && request.scopes == ["repository:hold/heavy:pull"]),
        "{asked:#?}"
    );
    let refused = refused(&guarded.registry).split_off(refused_before.len());
    assert!(
        refused.iter().any(|path| path.contains("/blobs/")),
        "{refused:#?}"
    );
}

/// What the registry has answered with 401.
fn refused(registry: &DockerRegistry) -> Vec<String> {
    let requests = registry.requests().unwrap().into_iter();
    let refused = requests.filter(|request| request.status == 401 && request.path != "/v2/");
    refused.map(|request| request.path).collect()
}

fn wait_until_refused(registry: &DockerRegistry, token: &str) {
    let start = Instant::now();
    while registry.accepts_token(token).unwrap() {
        assert!(start.elapsed() < PATIENCE, "the token does not end");
        thread::sleep(POLL);
    }
}
