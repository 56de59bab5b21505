//! Tests of storing and removing logins.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::thread;

use rustix::fs::Mode;
use serde_json::json;
use windlass_credentials::{
    CredentialLocations, CredentialStore, CredentialStoreError, LoginCredentials, LoginSecret,
};
use windlass_registry::{Credentials, Secret};

use crate::support::{User, basic, chain, login, scope};

/// A helper that stores its input in a file.
const KEEPER: &str = r#"case $1 in
    store) cat > "$D/stored" ;;
    get) cat >/dev/null; cat "$D/stored" 2>/dev/null \
        || { echo 'credentials not found in native keychain'; exit 1; } ;;
    erase) cat >/dev/null; rm "$D/stored" 2>/dev/null \
        || { echo 'credentials not found in native keychain'; exit 1; } ;;
esac"#;

#[test]
fn a_login_is_found_until_logout() {
    let user = User::new();
    let store = user.store();
    for host in ["a.test", "a.test:5000", "docker.io", "[::1]:5000"] {
        let host_scope = scope(&format!("{host}/app"));
        assert_eq!(store.lookup(&host_scope).unwrap(), Credentials::Anonymous);
        let stored = store.store(host, &login("me", "pass:word")).unwrap();
        assert_eq!(stored.file, user.home(".docker/config.json"));
        assert_eq!(stored.helper, None);
        assert_eq!(store.lookup(&host_scope).unwrap(), basic("me", "pass:word"));
    }
    let mode = fs::metadata(user.home(".docker/config.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for (host, key) in [
        ("a.test", "a.test"),
        ("docker.io", "https://index.docker.io/v1/"),
    ] {
        let erased = store.erase(host).unwrap();
        assert_eq!(erased.keys, [key]);
        assert!(!erased.is_empty());
        assert_eq!(store.lookup(&scope(host)).unwrap(), Credentials::Anonymous);
        assert!(store.erase(host).unwrap().is_empty());
    }
    assert_eq!(
        store.lookup(&scope("a.test:5000")).unwrap(),
        basic("me", "pass:word")
    );
}

#[test]
fn identity_tokens_are_stored_in_dockers_format() {
    let user = User::new();
    let token = LoginCredentials {
        username: "me".to_owned(),
        secret: LoginSecret::IdentityToken(Secret::new("refresh")),
    };
    user.store().store("a.test", &token).unwrap();
    assert_eq!(
        user.docker_now(),
        json!({"auths": {"a.test": {"auth": "bWU6", "identitytoken": "refresh"}}})
    );
    assert_eq!(
        user.store().lookup(&scope("a.test")).unwrap(),
        token.credentials()
    );
}

#[test]
fn a_helper_stores_the_secret_and_the_file_has_an_empty_entry() {
    let user = User::new();
    user.helper("keeper", KEEPER);
    user.docker(r#"{"credHelpers":{"a.test":"keeper"},"auths":{"a.test":{"auth":"bWU6b2xk"}}}"#);
    let store = user.store();

    let stored = store.store("a.test", &login("me", "hunter2")).unwrap();
    assert_eq!(stored.helper.unwrap().to_string(), "keeper");
    let input: serde_json::Value =
        serde_json::from_slice(&fs::read(user.bin("stored")).unwrap()).unwrap();
    assert_eq!(
        input,
        json!({"ServerURL": "a.test", "Username": "me", "Secret": "hunter2"})
    );
    assert_eq!(
        user.docker_now(),
        json!({"credHelpers": {"a.test": "keeper"}, "auths": {"a.test": {}}})
    );
    assert_eq!(
        store.lookup(&scope("a.test")).unwrap(),
        basic("me", "hunter2")
    );

    let erased = store.erase("a.test").unwrap();
    assert_eq!(erased.keys, ["a.test"]);
    assert_eq!(erased.helper.unwrap().to_string(), "keeper");
    assert_eq!(
        store.lookup(&scope("a.test")).unwrap(),
        Credentials::Anonymous
    );
    assert!(store.erase("a.test").unwrap().is_empty());
    assert_eq!(
        user.docker_now(),
        json!({"credHelpers": {"a.test": "keeper"}, "auths": {}})
    );
}

/// D9: the secret is not stored in the file instead.
#[test]
fn a_failing_helper_leaves_the_file_unchanged() {
    let user = User::new();
    let config = r#"{"credsStore":"missing"}"#;
    user.docker(config);
    let error = user
        .store()
        .store("a.test", &login("me", "hunter2"))
        .unwrap_err();
    assert_eq!(
        chain(&user, &error),
        "cannot store the credentials for a.test with docker-credential-missing, configured in ~/.docker/config.json: \
         not found on PATH"
    );
    assert_eq!(
        fs::read_to_string(user.home(".docker/config.json")).unwrap(),
        config
    );
}

#[test]
fn a_configured_file_is_created_and_used() {
    let user = User::new();
    user.docker("{}");
    let locations = CredentialLocations {
        explicit: Some(user.home("sub/auth.json")),
        ..user.locations()
    };
    let store = CredentialStore::new(locations, user.helpers());
    assert!(store.erase("a.test").unwrap().is_empty());
    assert!(!user.home("sub").exists());
    let stored = store.store("a.test", &login("me", "x")).unwrap();
    assert_eq!(stored.file, user.home("sub/auth.json"));
    assert_eq!(store.lookup(&scope("a.test")).unwrap(), basic("me", "x"));
    assert_eq!(user.docker_now(), json!({}));
}

#[test]
fn invalid_logins_are_rejected() {
    let user = User::new();
    let store = |host: &str, login: &LoginCredentials| {
        chain(&user, &user.store().store(host, login).unwrap_err())
    };
    let me = login("me", "x");
    for host in ["", "a.test\nb.test", "a.test/ns", "https://a.test"] {
        let error = user.store().store(host, &me).unwrap_err();
        assert!(
            matches!(error, CredentialStoreError::Host { .. }),
            "{host:?}: {error}"
        );
        let error = user.store().erase(host).unwrap_err();
        assert!(
            matches!(error, CredentialStoreError::Host { .. }),
            "{host:?}: {error}"
        );
    }
    for username in ["", "a:b", "a\nb", "a\0"] {
        assert_eq!(
            store("a.test", &login(username, "x")),
            "the user name is empty or contains a colon or a control character"
        );
    }
    for password in ["a\nb", "a\0"] {
        assert_eq!(
            store("a.test", &login("me", password)),
            "the password or token contains a control character, or the token is empty"
        );
    }
    user.docker(r#"{"auths":[]}"#);
    let expected = "cannot use the credentials in ~/.docker/config.json: auths is not an object";
    assert_eq!(store("a.test", &me), expected);
    let nowhere = CredentialStore::new(CredentialLocations::default(), user.helpers());
    assert!(matches!(
        nowhere.store("a.test", &me),
        Err(CredentialStoreError::NoFile)
    ));
}

#[test]
fn concurrent_logins_are_all_stored() {
    let user = User::new();
    thread::scope(|scope| {
        for number in 0..8 {
            let user = &user;
            scope.spawn(move || {
                let host = format!("{number}.test");
                user.store().store(&host, &login("me", &host)).unwrap();
            });
        }
    });
    for number in 0..8 {
        let host = format!("{number}.test");
        assert_eq!(
            user.store().lookup(&scope(&host)).unwrap(),
            basic("me", &host)
        );
    }
}

/// All tests share the umask of the process, so the actual test runs in a process of its own.
#[test]
fn the_umask_does_not_affect_the_mode() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "login::under_an_unusual_umask"])
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

#[test]
#[ignore = "run by the_umask_does_not_affect_the_mode"]
fn under_an_unusual_umask() {
    let user = User::new();
    fs::create_dir_all(user.home(".docker")).unwrap();
    let umask = rustix::process::umask(Mode::from_raw_mode(0o777));
    let stored = user.store().store("a.test", &login("me", "x"));
    rustix::process::umask(umask);
    let file = stored.unwrap().file;
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        user.store().lookup(&scope("a.test")).unwrap(),
        basic("me", "x")
    );
}
