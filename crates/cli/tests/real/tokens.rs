//! A token server beside the registry: anonymous tokens, refused logins, and tokens that expire early.

use std::thread;
use std::time::{Duration, Instant};

use windlass_testing::real::{
    DockerRegistry, PASSWORD, RegistryAuth, RepositoryGrant, TokenServer, TokenServerBuilder, USER,
};

use crate::Case;
use crate::command::Ran;
use crate::fixture::Fixture;
use crate::limited_proxy::LimitedProxy;
use crate::registry_client::RegistryClient;
use crate::requirements::REGISTRY;
use crate::shared_state::SharedState;

/// An offset in the first of two layers of a megabyte each.
const MIDWAY: u64 = 512 << 10;
/// Long enough for a pull to reach that offset.
const ACCEPTED: Duration = Duration::from_secs(3);
/// The deadline for tokens to expire.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "tokens::public_images_need_no_login",
        needs: REGISTRY,
        test: public_image,
    },
    Case {
        name: "tokens::refused_logins_are_reported",
        needs: REGISTRY,
        test: refused_logins,
    },
    Case {
        name: "tokens::one_that_expires_during_a_pull_is_renewed",
        needs: REGISTRY,
        test: renewed,
    },
];

/// A registry with a token server.
struct TokenSetup {
    server: TokenServer,
    registry: DockerRegistry,
    client: RegistryClient,
    host: String,
}

impl TokenSetup {
    fn new(shared: &SharedState, name: &str, server: TokenServerBuilder) -> Self {
        let client = RegistryClient::new(shared, name);
        let server = server.start().unwrap();
        let access = RegistryAuth::Tokens(server.authority());
        let registry = DockerRegistry::start(&client.directory.join("registry"), access).unwrap();
        Self {
            host: registry.address().to_string(),
            server,
            registry,
            client,
        }
    }

    /// Pushes the gzip form of `fixture`, and returns its reference.
    fn push(&self, shared: &SharedState, fixture: Fixture, repository: &str) -> String {
        shared.push(&self.registry, fixture, repository);
        format!("{}/{repository}:gzip", self.host)
    }

    #[track_caller]
    fn log_in(&self) {
        let ran = self.client.log_in(&self.host, PASSWORD);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    }
}

/// HT-11: a token is requested without credentials if there are none.
fn public_image(shared: &SharedState) {
    let server = TokenServer::builder().grant_to_all(RepositoryGrant::pull("deck/small"));
    let setup = TokenSetup::new(shared, "public", server);
    let name = setup.push(shared, Fixture::Small, "deck/small");
    let before = setup.server.requests().len();

    setup.client.windlass.succeeds(&["pull", &name]);

    let requests = setup.server.requests().split_off(before);
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert!(!requests[0].has_authorization, "{requests:#?}");
    assert_eq!(requests[0].account, None);
}

/// HT-7, HT-14, I7: no login, a wrong password, a user without access, and a login that has expired.
fn refused_logins(shared: &SharedState) {
    let server = TokenServer::builder().user("mate", "oar-and-sail", &[]);
    let setup = TokenSetup::new(shared, "refused", server);
    let name = setup.push(shared, Fixture::Small, "hold/small");
    let (client, host) = (&setup.client, &setup.host);
    let realm = setup.server.address().to_string();
    let masks = [(&**host, "registry.test"), (&*realm, "tokens.test")];
    let pull = || {
        client
            .windlass
            .show(&client.windlass.run(&["pull", &name]), &masks)
    };

    insta::assert_snapshot!(pull(), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/hold/small:gzip: hold/small:gzip at http://registry.test: authentication required
    hint: ask the administrator of the registry, or log in with another account: `windlass login registry.test`
    ");
    let wrong = client.log_in_as("mate", host, "oar-and-sails");
    insta::assert_snapshot!(client.windlass.show(&wrong, &masks), @r"
    exit: 1
    --- stderr
    error: logging in to registry.test: token from http://tokens.test: wrong credentials
    hint: check the username and password; many registries require an access token as password
    ");
    assert!(!client.directory.join("docker/config.json").exists());
    let mate = client.log_in_as("mate", host, "oar-and-sail");
    assert_eq!(mate.code, Some(0), "{mate:#?}");
    insta::assert_snapshot!(pull(), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/hold/small:gzip: hold/small:gzip at http://registry.test: authentication required
    hint: ask the administrator of the registry, or log in with another account: `windlass login registry.test`
    ");
    setup.log_in();
    client.windlass.succeeds(&["pull", &name]);
    setup.server.revoke_refresh_tokens();
    insta::assert_snapshot!(pull(), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/hold/small:gzip: token for hold/small from http://tokens.test: wrong credentials
    hint: the registry rejects the credentials in [dir]/docker/config.json: log in again with `windlass login registry.test`
    ");
}

/// HT-12: the second layer is refused, a new token is requested, and the pull goes on.
fn renewed(shared: &SharedState) {
    let server = TokenServer::builder().accepted_lifetime(ACCEPTED);
    let setup = TokenSetup::new(shared, "renewed", server);
    setup.push(shared, Fixture::Heavy, "hold/heavy");
    let limited_proxy = LimitedProxy::before(setup.registry.address(), MIDWAY);
    let host = limited_proxy.address().to_string();
    let ran = setup.client.log_in(&host, PASSWORD);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let name = format!("{host}/hold/heavy:gzip");
    let before = setup.server.requests().len();

    let one_by_one = "--max-concurrent-downloads=1";
    let pull = { &setup.client.windlass }.start(&["pull", one_by_one, &name]);
    limited_proxy.wait_until_limit();
    // A token that is issued later than the one of the pull.
    let token = setup.server.access_token(USER, "hold/heavy");
    wait_until_refused(&setup.registry, &token);
    let refused_before = refused(&setup.registry);
    limited_proxy.remove_limit();
    let ran = Ran::from(pull.wait_with_output().unwrap());

    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let requests = setup.server.requests().split_off(before);
    assert!(requests.len() >= 2, "{requests:#?}");
    assert!(
        requests.iter().all(|request| request.status == 200
            && request.account.as_deref() == Some(USER)
            && request.scopes == ["repository:hold/heavy:pull"]),
        "{requests:#?}"
    );
    let refused = refused(&setup.registry).split_off(refused_before.len());
    assert!(
        refused.iter().any(|path| path.contains("/blobs/")),
        "{refused:#?}"
    );
}

/// The paths of the requests to which the registry responded with 401.
fn refused(registry: &DockerRegistry) -> Vec<String> {
    let requests = registry.requests().unwrap().into_iter();
    let refused = requests.filter(|request| request.status == 401 && request.path != "/v2/");
    refused.map(|request| request.path).collect()
}

fn wait_until_refused(registry: &DockerRegistry, token: &str) {
    let start = Instant::now();
    while registry.accepts_token(token).unwrap() {
        assert!(start.elapsed() < TIMEOUT, "the token does not end");
        thread::sleep(POLL);
    }
}
