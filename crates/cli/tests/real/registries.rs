//! Registries with a private CA, with tokens, with object storage.

use std::fs;
use std::path::Path;

use serde_json::Value;
use windlass_testing::Ca;
use windlass_testing::real::{
    DockerRegistry, PASSWORD, RegistryAuth, RepositoryGrant, S3, TokenServer, USER, command, run,
};

use crate::Case;
use crate::command::Ran;
use crate::registry_client::{RegistryClient, fill, named};
use crate::requirements::{OBJECT_STORAGE, REGISTRY};
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "registries::a_private_ca_is_trusted_in_three_ways",
        needs: REGISTRY,
        test: own_ca,
    },
    Case {
        name: "registries::a_login_gets_a_refresh_token",
        needs: REGISTRY,
        test: tokens,
    },
    Case {
        name: "registries::object_storage_gets_no_credentials",
        needs: OBJECT_STORAGE,
        test: object_storage,
    },
    Case {
        name: "registries::an_up_to_date_image_costs_one_request",
        needs: REGISTRY,
        test: one_request,
    },
];

/// EP-10, T28: not with another CA, then by `windlass.toml`, by `certs.d`, by `SSL_CERT_FILE`; with a login over TLS.
fn own_ca(shared: &SharedState) {
    let ca = Ca::new();
    let directory = shared.directory("own-ca");
    let registry = DockerRegistry::builder(&directory.join("registry"))
        .access(RegistryAuth::Basic)
        .tls(&ca)
        .start()
        .unwrap();
    let host = registry.address().to_string();
    let pem = directory.join("ca.pem");
    fs::write(&pem, ca.pem()).unwrap();

    let client = RegistryClient::new(shared, "own-ca-toml");
    fill(shared, &registry);
    let name = named(&registry);
    let other = directory.join("other.pem");
    fs::write(&other, Ca::new().pem()).unwrap();
    client.configure(&format!("ca = {:?}\n", other.to_str().unwrap()));
    insta::assert_snapshot!(client.refused(&["pull", &name], &host), @r"
    exit: 1
    --- stderr
    registry.test/hold/small:gzip: hold/small:gzip at http://registry.test: this is not an OCI registry: /v2/ returns status 400; trying another endpoint
    error: pulling registry.test/hold/small:gzip: hold/small:gzip at https://registry.test: no secure connection: invalid peer certificate: UnknownIssuer
    tried: hold/small:gzip at http://registry.test: this is not an OCI registry: /v2/ returns status 400
    hint: if its CA is private, save the CA certificate as /etc/windlass/certs.d/registry.test/ca.crt or ~/.config/windlass/certs.d/registry.test/ca.crt, or set `ca` in windlass.toml
    ");
    client.configure(&format!(
        "[registry.{host:?}]\nca = {:?}\n",
        pem.to_str().unwrap()
    ));
    let no_login = client.refused(&["pull", &name], &host);
    insta::assert_snapshot!(no_login, @r"
    exit: 1
    --- stderr
    registry.test/hold/small:gzip: hold/small:gzip at http://registry.test: this is not an OCI registry: /v2/ returns status 400; trying another endpoint
    error: pulling registry.test/hold/small:gzip: hold/small:gzip at https://registry.test: authentication required
    tried: hold/small:gzip at http://registry.test: this is not an OCI registry: /v2/ returns status 400
    hint: check the name; if the repository is private, log in with `windlass login registry.test`
    ");
    let refused = client.log_in(&host, "wrong");
    insta::assert_snapshot!(client.windlass.show(&refused, &[(&host, "registry.test")]), @r"
    exit: 1
    --- stderr
    error: logging in to registry.test: https://registry.test: authentication required
    hint: check the username and password; many registries require an access token as password
    ");
    assert_eq!(client.refused(&["pull", &name], &host), no_login);
    let welcome = client.log_in(&host, PASSWORD);
    assert_eq!(welcome.code, Some(0), "{welcome:#?}");
    assert!(
        welcome.stdout.starts_with("Login Succeeded"),
        "{welcome:#?}"
    );
    client.windlass.succeeds(&["pull", &name]);
    client.windlass.succeeds(&["logout", &host]);
    let again = client.windlass.run(&["pull", &name]);
    assert_eq!(
        client.windlass.show(&again, &[(&host, "registry.test")]),
        no_login
    );

    let client = RegistryClient::new(shared, "own-ca-certs-d");
    let certificates = client
        .directory
        .join(".config/windlass/certs.d")
        .join(&host);
    fs::create_dir_all(&certificates).unwrap();
    fs::copy(&pem, certificates.join("ca.crt")).unwrap();
    assert_eq!(client.log_in(&host, PASSWORD).code, Some(0));
    client.windlass.succeeds(&["pull", &name]);

    let client = RegistryClient::new(shared, "own-ca-environment");
    log_in_as_docker_does(&client.directory, &host);
    let mut pull = client.windlass.command(&["pull", &name]);
    let ran = Ran::from(pull.env("SSL_CERT_FILE", &pem).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

fn log_in_as_docker_does(directory: &Path, host: &str) {
    let file = directory.join("docker");
    fs::create_dir_all(&file).unwrap();
    let file = file.join("config.json");
    let mut login = command("skopeo");
    login.args(["login", "--tls-verify=false", "--username", USER]);
    login
        .args(["--password", PASSWORD, "--authfile"])
        .arg(&file);
    run(login.arg(host)).unwrap();
}

/// HT-7 to HT-12: anonymous pulls are refused, a login gets a refresh token, and expired tokens are renewed.
fn tokens(shared: &SharedState) {
    let client = RegistryClient::new(shared, "tokens");
    let server = TokenServer::builder()
        .grant_to_all(RepositoryGrant::pull("deck/small"))
        .start()
        .unwrap();
    let registry = DockerRegistry::builder(&client.directory.join("registry"))
        .access(RegistryAuth::Tokens(server.authority()))
        .start()
        .unwrap();
    let host = registry.address().to_string();
    fill(shared, &registry);
    let name = named(&registry);

    insta::assert_snapshot!(client.refused(&["pull", &name], &host), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/hold/small:gzip: hold/small:gzip at http://registry.test: authentication required
    hint: ask the administrator of the registry, or log in with another account: `windlass login registry.test`
    ");
    assert_eq!(client.log_in(&host, "wrong").code, Some(1));
    let welcome = client.log_in(&host, PASSWORD);
    assert_eq!(welcome.code, Some(0), "{welcome:#?}");
    let kept = fs::read_to_string(client.directory.join("docker/config.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert!(kept["auths"][&host]["identitytoken"].is_string(), "{kept}");

    let before = server.requests().len();
    client.windlass.succeeds(&["pull", &name]);
    let requests = server.requests().split_off(before);
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert_eq!(requests[0].grant_type.as_deref(), Some("refresh_token"));
    assert_eq!(requests[0].scopes, ["repository:hold/small:pull"]);

    server.revoke_refresh_tokens();
    let ran = client.windlass.run(&["digest", &name]);
    let realm = server.address().to_string();
    let masks = [(&*host, "registry.test"), (&realm, "tokens.test")];
    insta::assert_snapshot!(client.windlass.show(&ran, &masks), @r"
    exit: 1
    --- stderr
    error: resolving the digest of registry.test/hold/small:gzip: token for hold/small from http://tokens.test: wrong credentials
    hint: the registry rejects the credentials in [dir]/docker/config.json: log in again with `windlass login registry.test`
    ");
}

/// T26, D5: the registry requires a password or a token, and redirects to presigned URLs, which must not
/// get it.
fn object_storage(shared: &SharedState) {
    let directory = shared.directory("object-storage");
    let s3 = S3::start(&directory.join("s3")).unwrap();
    let server = TokenServer::start().unwrap();
    for (name, access) in [
        ("basic", RegistryAuth::Basic),
        ("tokens", RegistryAuth::Tokens(server.authority())),
    ] {
        let client = RegistryClient::new(shared, name);
        let registry = DockerRegistry::builder(&directory.join(name));
        let registry = registry.access(access).s3(&s3).start().unwrap();
        fill(shared, &registry);
        let host = registry.address().to_string();
        assert_eq!(client.log_in(&host, PASSWORD).code, Some(0));
        let before = s3.presigned_requests().len();

        client.windlass.succeeds(&["pull", &named(&registry)]);

        let requests = s3.presigned_requests().split_off(before);
        assert_eq!(requests.len(), 2, "the config and the layer: {requests:#?}");
        assert!(
            requests.iter().all(|request| request.status == 200
                && !request.has_authorization
                && !request.has_cookie),
            "{requests:#?}"
        );
    }
}

/// ST-5: one HEAD request. The printed digest is skopeo's, and that of the bytes.
fn one_request(shared: &SharedState) {
    let client = RegistryClient::new(shared, "one-request");
    let registry =
        DockerRegistry::start(&client.directory.join("registry"), RegistryAuth::Open).unwrap();
    fill(shared, &registry);
    let name = named(&registry);

    let dry = client.windlass.run(&["pull", "--dry-run", &name]);
    assert_eq!(dry.code, Some(10), "{dry:#?}");
    assert!(!client.directory.join("store").exists());
    client.windlass.succeeds(&["pull", &name]);
    client.windlass.succeeds(&["pull", "--dry-run", &name]);

    let before = registry.requests().unwrap().len();
    client.windlass.succeeds(&["pull", &name]);
    let requests: Vec<String> = (registry.requests().unwrap().split_off(before).iter())
        .map(|request| format!("{} {} {}", request.method, request.path, request.status))
        .collect();
    assert_eq!(requests, ["HEAD /v2/hold/small/manifests/gzip 200"]);

    let digest = client.windlass.succeeds(&["digest", &name]).stdout;
    let mut skopeo = command("skopeo");
    skopeo.args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"]);
    let expected = run(skopeo.arg(format!("docker://{name}"))).unwrap();
    assert_eq!(digest.as_bytes(), expected);
    let manifest = client
        .windlass
        .succeeds(&["manifest", "--raw", &name])
        .stdout;
    let computed = windlass::image::Digest::sha256(manifest.as_bytes()).to_string();
    assert_eq!(digest.trim_end(), computed);
    let repository = format!("{}/hold/small", registry.address());
    assert_eq!(
        client.windlass.succeeds(&["tags", &repository]).stdout,
        "gzip\n"
    );
}
