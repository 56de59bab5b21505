//! The token server, tested with a real registry.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use windlass_testing::Ca;
use windlass_testing::real::{
    DockerRegistry, PASSWORD, RegistryAuth, RepositoryAction, RepositoryGrant, TokenRequest,
    TokenServer, USER,
};

use super::{RegistryFixture, can_inspect, can_run};
use crate::client::{Response, begin, get, read, request};

const TOOLS: &[&str] = &["docker-registry", "skopeo", "gzip"];

#[test]
fn a_real_registry_accepts_the_tokens() {
    if !can_run(TOOLS) {
        return;
    }
    let fixture = RegistryFixture::new();
    let tokens = TokenServer::start().unwrap();
    let registry = registry(&fixture, &tokens);

    fixture.push(&registry, "hold/app");
    registry.copy("hold/app:it", &fixture.path("copy")).unwrap();

    fixture.assert_copied(&fixture.path("copy"));
    let requests = tokens.requests();
    let of = |scope: &str| TokenRequest {
        method: "GET".to_owned(),
        service: Some("dock".to_owned()),
        scopes: vec![scope.to_owned()],
        grant_type: None,
        requests_refresh_token: false,
        has_authorization: true,
        account: Some(USER.to_owned()),
        status: 200,
    };
    assert_eq!(requests.first(), Some(&of("repository:hold/app:pull,push")));
    assert_eq!(requests.last(), Some(&of("repository:hold/app:pull")));
}

#[test]
fn grants_are_per_user_and_repository() {
    if !can_run(TOOLS) {
        return;
    }
    let fixture = RegistryFixture::new();
    let tokens = TokenServer::builder()
        .user(
            "mate",
            "oar",
            &[RepositoryGrant::new("hold/app", &[RepositoryAction::Pull])],
        )
        .grant_to_all(RepositoryGrant::pull("deck/app"))
        .start()
        .unwrap();
    let registry = registry(&fixture, &tokens);
    fixture.push(&registry, "hold/app");
    fixture.push(&registry, "deck/app");
    let inspect =
        |name, credentials| can_inspect(&registry, name, &["--tls-verify=false", credentials]);

    assert!(inspect("hold/app:it", "--creds=mate:oar"));
    assert!(inspect("deck/app:it", "--creds=mate:oar"));
    assert!(inspect("deck/app:it", "--no-creds"));
    assert!(!inspect("hold/app:it", "--no-creds"));
    assert!(!inspect("hold/app:it", "--creds=mate:sail"));

    let mate = "repository:hold/app:pull,push";
    let token = token(&get_form(&tokens, mate, &[&basic("mate", "oar")]));
    let begin_upload = registry_status(
        &registry,
        &Method::POST,
        "/v2/hold/app/blobs/uploads/",
        &token,
    );
    assert_eq!(begin_upload, 401, "only pulling is granted");
}

#[test]
fn everything_may_be_over_tls() {
    if !can_run(TOOLS) {
        return;
    }
    let fixture = RegistryFixture::new();
    let (ours, theirs) = (Ca::new(), Ca::new());
    let tokens = TokenServer::builder()
        .on([127, 0, 0, 2].into())
        .tls(&theirs)
        .start()
        .unwrap();
    let registry = DockerRegistry::builder(&fixture.path("registry"))
        .access(RegistryAuth::Tokens(tokens.authority()))
        .tls(&ours)
        .start()
        .unwrap();

    fixture.push(&registry, "hold/app");
    registry.copy("hold/app:it", &fixture.path("copy")).unwrap();

    fixture.assert_copied(&fixture.path("copy"));
    let realm = tokens.authority().realm;
    assert!(realm.starts_with("https://127.0.0.2:"), "{realm}");
}

#[test]
fn the_post_form_issues_tokens_for_a_password_and_a_refresh_token() {
    if !can_run(TOOLS) {
        return;
    }
    let fixture = RegistryFixture::new();
    let tokens = TokenServer::builder()
        .token_lifetime(Duration::from_secs(60))
        .start()
        .unwrap();
    let registry = registry(&fixture, &tokens);
    fixture.push(&registry, "hold/app");
    let requested =
        "service=dock&client_id=test&scope=repository:hold/app:pull%20repository:other:pull";
    let password = format!(
        "grant_type=password&username={USER}&password={PASSWORD}&access_type=offline&{requested}"
    );

    let by_password = post(tokens.address(), &password);
    let refresh_token = text(&by_password, "refresh_token");
    let refresh = format!("grant_type=refresh_token&refresh_token={refresh_token}&{requested}");
    let by_refresh_token = post(tokens.address(), &refresh);

    for answer in [&by_password, &by_refresh_token] {
        assert_eq!(
            (answer.status, &answer.json()["expires_in"]),
            (200, &60.into())
        );
        let manifest = "/v2/hold/app/manifests/it";
        let token = text(answer, "access_token");
        assert_eq!(
            registry_status(&registry, &Method::GET, manifest, &token),
            200
        );
    }
    assert_eq!(by_refresh_token.json().get("refresh_token"), None);
    let request = tokens.requests().pop().unwrap();
    assert_eq!(
        request,
        TokenRequest {
            method: "POST".to_owned(),
            service: Some("dock".to_owned()),
            scopes: vec![
                "repository:hold/app:pull".to_owned(),
                "repository:other:pull".to_owned()
            ],
            grant_type: Some("refresh_token".to_owned()),
            requests_refresh_token: false,
            has_authorization: false,
            account: Some(USER.to_owned()),
            status: 200,
        }
    );

    tokens.revoke_refresh_tokens();
    assert_eq!(post(tokens.address(), &refresh).status, 401);
    let refresh_token = tokens.refresh_token(USER);
    let refresh = format!("grant_type=refresh_token&refresh_token={refresh_token}&{requested}");
    assert_eq!(post(tokens.address(), &refresh).status, 200);
}

#[test]
fn tokens_can_be_accepted_for_less_than_their_lifetime() {
    if !can_run(TOOLS) {
        return;
    }
    let fixture = RegistryFixture::new();
    let spent = TokenServer::builder()
        .accepted_lifetime(Duration::ZERO)
        .start()
        .unwrap();
    let registry = registry(&fixture, &spent);
    let fresh = TokenServer::start().unwrap();
    let (directory, access) = (
        fixture.path("other"),
        RegistryAuth::Tokens(fresh.authority()),
    );
    let other = DockerRegistry::start(&directory, access).unwrap();

    let token = spent.access_token(USER, "app");

    assert!(!registry.accepts_token(&token).unwrap());
    assert!(!other.accepts_token(&token).unwrap());
    let token = fresh.access_token(USER, "app");
    assert!(other.accepts_token(&token).unwrap());
    assert_eq!(spent.requests(), []);
}

#[test]
fn the_get_form_issues_a_refresh_token_on_request() {
    let tokens = TokenServer::start().unwrap();
    let user = basic(USER, PASSWORD);

    let offline = get_form(&tokens, "repository:a:pull&offline_token=true", &[&user]);
    let online = get_form(&tokens, "repository:a:pull", &[&user]);
    let anonymous = get_form(&tokens, "repository:a:pull&offline_token=true", &[]);

    assert_eq!(offline.json()["token"], offline.json()["access_token"]);
    assert!(text(&offline, "refresh_token").starts_with("refresh-"));
    for answer in [online, anonymous] {
        assert_eq!(
            (answer.status, answer.json().get("refresh_token")),
            (200, None)
        );
    }
}

#[test]
fn wrong_requests_are_rejected() {
    let tokens = TokenServer::builder().without_post().start().unwrap();
    let address = tokens.address();

    let wrong = get_form(&tokens, "repository:a:pull", &[&basic(USER, "wrong")]);
    assert_eq!(wrong.status, 401);
    assert_eq!(
        wrong.header("www-authenticate"),
        Some("Basic realm=\"token server\"")
    );
    assert_eq!(get(address, "/token?service=other", &[]).status, 400);
    assert_eq!(get(address, "/", &[]).status, 404);
    assert_eq!(post(address, "service=dock").status, 405);
    assert_eq!(request(address, "PUT", "/token", &[]).status, 405);
    let statuses: Vec<_> = tokens.requests().iter().map(|it| it.status).collect();
    assert_eq!(statuses, [401, 400, 405, 405]);
}

fn registry(fixture: &RegistryFixture, tokens: &TokenServer) -> DockerRegistry {
    let access = RegistryAuth::Tokens(tokens.authority());
    DockerRegistry::start(&fixture.path("registry"), access).unwrap()
}

fn get_form(tokens: &TokenServer, scope: &str, headers: &[&str]) -> Response {
    let path = format!("/token?service=dock&scope={scope}");
    get(tokens.address(), &path, headers)
}

fn post(address: SocketAddr, form: &str) -> Response {
    let length = format!("Content-Length: {}", form.len());
    let form_type = "Content-Type: application/x-www-form-urlencoded";
    let mut stream = begin(address, "POST", "/token", &[&length, form_type]);
    stream.write_all(form.as_bytes()).unwrap();
    read(stream)
}

/// Returns the registry's status for a request with `token`.
fn registry_status(registry: &DockerRegistry, method: &Method, path: &str, token: &str) -> u16 {
    let headers = [
        "Accept: application/vnd.oci.image.manifest.v1+json",
        "Content-Length: 0",
        &format!("Authorization: Bearer {token}"),
    ];
    request(registry.address(), method.as_str(), path, &headers).status
}

fn basic(username: &str, password: &str) -> String {
    use base64::Engine as _;
    let encoded = base64::prelude::BASE64_STANDARD.encode(format!("{username}:{password}"));
    format!("Authorization: Basic {encoded}")
}

fn token(answer: &Response) -> String {
    text(answer, "token")
}

fn text(answer: &Response, key: &str) -> String {
    let json: Value = answer.json();
    json[key].as_str().unwrap().to_owned()
}
