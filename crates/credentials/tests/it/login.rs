//! What logins and logouts leave behind.

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

use crate::support::{User, basic, chain, door, login};

/// A helper that keeps what it is told in files.
const KEEPER: &str = r#"case $1 in
    store) cat > "$D/kept" ;;
    get) cat >/dev/null; cat "$D/kept" 2>/dev/null \
        || { echo 'credentials not found in native keychain'; exit 1; } ;;
    erase) cat >/dev/null; rm "$D/kept" 2>/dev/null \
        || { echo 'credentials not found in native keychain'; exit 1; } ;;
esac"#;

#[test]
fn a_login_is_found_until_the_logout() {
    let user = User::new();
    let keys = user.keys();
    for host in ["a.test", "a.test:5000", "docker.io", "[::1]:5000"] {
        let at = door(&format!("{host}/app"));
        assert_eq!(keys.lookup(&at).unwrap(), Credentials::Anonymous);
        let stored = keys.store(host, &login("me", "pass:word")).unwrap();
        assert_eq!(stored.file, user.home(".docker/config.json"));
        assert_eq!(stored.helper, None);
        assert_eq!(keys.lookup(&at).unwrap(), basic("me", "pass:word"));
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
        let erased = keys.erase(host).unwrap();
        assert_eq!(erased.keys, [key]);
        assert!(!erased.is_nothing());
        assert_eq!(keys.lookup(&door(host)).unwrap(), Credentials::Anonymous);
        assert!(keys.erase(host).unwrap().is_nothing());
    }
    assert_eq!(
        keys.lookup(&door("a.test:5000")).unwrap(),
        basic("me", "pass:word")
    );
}

#[test]
fn an_identity_token_is_kept_as_docker_does() {
    let user = User::new();
    let token = LoginCredentials {
        username: "me".to_owned(),
        secret: LoginSecret::IdentityToken(Secret::new("refresh")),
    };
    user.keys().store("a.test", &token).unwrap();
    assert_eq!(
        user.docker_now(),
        json!({"auths": {"a.test": {"auth": "bWU6", "identitytoken": "refresh"}}})
    );
    assert_eq!(
        user.keys().lookup(&door("a.test")).unwrap(),
        token.credentials()
    );
}

#[test]
fn a_helper_keeps_the_secret_and_the_file_says_that_it_does() {
    let user = User::new();
    user.helper("keeper", KEEPER);
    user.docker(r#"{"credHelpers":{"a.test":"keeper"},"auths":{"a.test":{"auth":"bWU6b2xk"}}}"#);
    let keys = user.keys();

    let stored = keys.store("a.test", &login("me", "hunter2")).unwrap();
    assert_eq!(stored.helper.unwrap().to_string(), "keeper");
    let told: serde_json::Value =
        serde_json::from_slice(&fs::read(user.bin("kept")).unwrap()).unwrap();
    assert_eq!(
        told,
        json!({"ServerURL": "a.test", "Username": "me", "Secret": "hunter2"})
    );
    assert_eq!(
        user.docker_now(),
        json!({"credHelpers": {"a.test": "keeper"}, "auths": {"a.test": {}}})
    );
    assert_eq!(
        keys.lookup(&door("a.test")).unwrap(),
        basic("me", "hunter2")
    );

    let erased = keys.erase("a.test").unwrap();
    assert_eq!(erased.keys, ["a.test"]);
    assert_eq!(erased.helper.unwrap().to_string(), "keeper");
    assert_eq!(
        keys.lookup(&door("a.test")).unwrap(),
        Credentials::Anonymous
    );
    assert!(keys.erase("a.test").unwrap().is_nothing());
    assert_eq!(
        user.docker_now(),
        json!({"credHelpers": {"a.test": "keeper"}, "auths": {}})
    );
}

/// D9: the secret does not go into the file because a helper fails.
#[test]
fn a_helper_that_fails_leaves_the_file_alone() {
    let user = User::new();
    let config = r#"{"credsStore":"missing"}"#;
    user.docker(config);
    let error = user
        .keys()
        .store("a.test", &login("me", "hunter2"))
        .unwrap_err();
    assert_eq!(
        chain(&user, &error),
        "having docker-credential-missing, which ~/.docker/config.json names, store the credentials of a.test: \
         not found on PATH"
    );
    assert_eq!(
        fs::read_to_string(user.home(".docker/config.json")).unwrap(),
        config
    );
}

#[test]
fn a_file_that_was_named_is_made_and_used() {
    let user = User::new();
    user.docker("{}");
    let places = CredentialLocations {
        explicit: Some(user.home("sub/auth.json")),
        ..user.places()
    };
    let keys = CredentialStore::new(places, user.helpers());
    assert!(keys.erase("a.test").unwrap().is_nothing());
    assert!(!user.home("sub").exists());
    let stored = keys.store("a.test", &login("me", "x")).unwrap();
    assert_eq!(stored.file, user.home("sub/auth.json"));
    assert_eq!(keys.lookup(&door("a.test")).unwrap(), basic("me", "x"));
    assert_eq!(user.docker_now(), json!({}));
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let user = User::new();
    let store = |host: &str, login: &LoginCredentials| {
        chain(&user, &user.keys().store(host, login).unwrap_err())
    };
    let me = login("me", "x");
    for host in ["", "a.test\nb.test", "a.test/ns", "https://a.test"] {
        let error = user.keys().store(host, &me).unwrap_err();
        assert!(
            matches!(error, CredentialStoreError::Host { .. }),
            "{host:?}: {error}"
        );
        let error = user.keys().erase(host).unwrap_err();
        assert!(
            matches!(error, CredentialStoreError::Host { .. }),
            "{host:?}: {error}"
        );
    }
    for username in ["", "a:b", "a\nb", "a\0"] {
        assert_eq!(
            store("a.test", &login(username, "x")),
            "the user name is empty, or has a colon or a control character in it"
        );
    }
    for password in ["a\nb", "a\0"] {
        assert_eq!(
            store("a.test", &login("me", password)),
            "the password or token has a control character in it, or is an empty token"
        );
    }
    user.docker(r#"{"auths":[]}"#);
    let expected = "cannot use the credentials in ~/.docker/config.json: auths is not an object";
    assert_eq!(store("a.test", &me), expected);
    let nowhere = CredentialStore::new(CredentialLocations::default(), user.helpers());
    assert!(matches!(
        nowhere.store("a.test", &me),
        Err(CredentialStoreError::NoPlace)
    ));
}

#[test]
fn logins_at_once_are_all_kept() {
    let user = User::new();
    thread::scope(|scope| {
        for number in 0..8 {
            let user = &user;
            scope.spawn(move || {
                let host = format!("{number}.test");
                user.keys().store(&host, &login("me", &host)).unwrap();
            });
        }
    });
    for number in 0..8 {
        let host = format!("{number}.test");
        assert_eq!(
            user.keys().lookup(&door(&host)).unwrap(),
            basic("me", &host)
        );
    }
}

/// The umask is the process's, which other tests share: this runs the next one in another.
#[test]
fn whatever_the_umask_is_the_file_is_for_its_user() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "login::under_an_unusual_umask"])
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

#[test]
#[ignore = "run by the one above"]
fn under_an_unusual_umask() {
    let user = User::new();
    fs::create_dir_all(user.home(".docker")).unwrap();
    let umask = rustix::process::umask(Mode::from_raw_mode(0o777));
    let stored = user.keys().store("a.test", &login("me", "x"));
    rustix::process::umask(umask);
    let file = stored.unwrap().file;
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        user.keys().lookup(&door("a.test")).unwrap(),
        basic("me", "x")
    );
}
