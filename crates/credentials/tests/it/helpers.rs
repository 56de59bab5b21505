//! Tests of misbehaving credential helpers (D9, D10, T30).

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;

use rustix::fs::{Mode, OFlags, open};
use windlass_credentials::{CredentialStore, HelperSettings};
use windlass_registry::Credentials;

use crate::support::{User, basic, chain, login, scope};

const GOOD: &str = r#"echo '{"ServerURL":"a.test","Username":"me","Secret":"x"}'"#;

/// Returns a user whose helper for all hosts is `script`. The file also has an entry, which must not be used instead.
fn user_with(script: &str) -> User {
    let user = User::new();
    user.helper("bad", script);
    user.docker(
        r#"{"credsStore":"bad","auths":{"a.test":{"username":"entry","password":"hunter2"}}}"#,
    );
    user
}

/// Returns the error of looking up `a.test`, without the prefix that all errors have.
fn failure(user: &User, store: &CredentialStore) -> String {
    let error = store.lookup(&scope("a.test")).unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let error = chain(user, &error);
    let prefix = "cannot get the credentials for a.test from docker-credential-bad, configured in ~/.docker/config.json: ";
    error.strip_prefix(prefix).unwrap_or(&error).to_owned()
}

/// D9: a failing helper is not treated like one without credentials.
#[test]
fn a_failing_helper_is_an_error() {
    for (script, expected) in [
        ("exit 1", "failed with exit status: 1"),
        ("echo hunter2; exit 1", "failed with exit status: 1"),
        (
            "echo 'the keyring is locked' >&2; exit 3",
            r#"failed with exit status: 3, stderr: "the keyring is locked""#,
        ),
        ("kill -9 $$", "failed with signal: 9 (SIGKILL)"),
        (
            "echo 'credentials not found in native keychain' >&2; exit 1",
            r#"failed with exit status: 1, stderr: "credentials not found in native keychain""#,
        ),
        ("exit 0", "printed something that is not a JSON object"),
        (
            "echo hunter2",
            "printed something that is not a JSON object",
        ),
        (
            r#"echo '{"Username":"me"}'"#,
            "printed JSON in which Secret is not a string",
        ),
        (
            r#"printf '{"Username":"me","Secret":"hunter2\\n"}'"#,
            "printed a Secret that contains a NUL or a line end",
        ),
        (
            "echo 'credentials not found in native keychain'",
            "printed something that is not a JSON object",
        ),
    ] {
        let user = user_with(script);
        assert_eq!(failure(&user, &user.store()), expected, "{script}");
    }
}

#[test]
fn json_may_have_any_formatting() {
    let user = user_with(
        r#"printf '\n\n{\n"ServerURL"\n:"a.test",\n\n"Username":\n"me","Secret"\n:\n"x"\n}\n\n\n'"#,
    );
    assert_eq!(
        user.store().lookup(&scope("a.test")).unwrap(),
        basic("me", "x")
    );
}

#[test]
fn a_missing_helper_is_an_error() {
    let user = user_with(GOOD);
    fs::remove_file(user.bin("docker-credential-bad")).unwrap();
    assert_eq!(failure(&user, &user.store()), "not found on PATH");
    let nowhere = CredentialStore::new(user.locations(), HelperSettings::new(""));
    assert_eq!(failure(&user, &nowhere), "not found on PATH");
}

#[test]
fn a_helper_that_is_not_executable_is_an_error() {
    let user = user_with(GOOD);
    let program = user.bin("docker-credential-bad");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        failure(&user, &user.store()),
        "$D/docker-credential-bad is not executable"
    );
    // As in a shell, the search continues. Directories named like the helper and relative paths are skipped.
    let other = user_with(GOOD);
    fs::create_dir(user.bin("x")).unwrap();
    fs::create_dir(user.bin("x/docker-credential-bad")).unwrap();
    let path = ["bin", ".", "", user.bin("x").to_str().unwrap()].join(":");
    let path = format!(
        "{path}:{}:{}",
        user.bin("").display(),
        other.bin("").display()
    );
    let store = CredentialStore::new(user.locations(), HelperSettings::new(path));
    assert_eq!(store.lookup(&scope("a.test")).unwrap(), basic("me", "x"));
}

#[test]
fn a_helper_that_cannot_be_executed_is_an_error() {
    let user = user_with(GOOD);
    let program = user.bin("docker-credential-bad");
    fs::remove_file(&program).unwrap();
    fs::write(&program, [0; 16]).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let error = failure(&user, &user.store());
    assert!(error.starts_with("cannot be started: "), "{error}");
}

/// A configuration cannot run another program, and a host cannot add a line to the input.
#[test]
fn names_and_hosts_are_validated_before_a_helper_runs() {
    let user = User::new();
    user.docker(r#"{"credHelpers":{"a.test":"../../bin/sh"}}"#);
    let error = user.store().lookup(&scope("a.test")).unwrap_err();
    assert_eq!(
        chain(&user, &error),
        "cannot get the credentials for a.test from docker-credential-../../bin/sh, configured in ~/.docker/config.json: \
         \"../../bin/sh\" is not the name of a helper"
    );
    let user = user_with(GOOD);
    let error = user.store().lookup(&scope("a.test\nb.test")).unwrap_err();
    assert_eq!(
        chain(&user, &error),
        "cannot get the credentials for a.test\\nb.test from docker-credential-bad, configured in ~/.docker/config.json: \
         \"a.test\\nb.test\" is not a host"
    );
}

#[test]
fn a_helper_that_hangs_is_killed_with_its_children() {
    let user = user_with(
        r#"exec 3>"$D/alive"
        (sleep 60; echo child >&3) &
        sleep 60
        echo helper >&3"#,
    );
    let alive = user.fifo("alive");
    assert_eq!(
        failure(&user, &user.short_timeout_store()),
        "took longer than 0.3 s"
    );
    assert_eq!(alive.read_to_end(), "");
}

/// The lookup waits for the exit of the helper, not for the end of the pipe.
#[test]
fn a_child_that_keeps_the_pipe_open_does_not_delay_the_result() {
    let user = user_with(&format!(r#"cat "$D/gate" & {GOOD}"#));
    // Opened for reading and writing, so that opening does not block. The child blocks until this is closed.
    let fifo = user.fifo("gate");
    let gate = open(
        user.bin("gate"),
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let gate = File::from(gate.unwrap());
    drop(fifo);
    let found = user.store().lookup(&scope("a.test"));
    drop(gate);
    assert_eq!(found.unwrap(), basic("me", "x"));
}

#[test]
fn a_helper_that_closes_its_output_and_continues_is_killed() {
    let user = user_with(&format!("{GOOD}; exec >&- 2>&-; sleep 60"));
    assert_eq!(
        failure(&user, &user.short_timeout_store()),
        "took longer than 0.3 s"
    );
}

/// Of 100 MB, no more than the pipe buffer is printed.
#[test]
fn a_helper_that_prints_too_much_is_killed() {
    let user = user_with(
        r#"exec 3>"$D/alive"
        head -c 100000000 /dev/zero | tr '\0' ' '
        echo helper >&3"#,
    );
    let alive = user.fifo("alive");
    assert_eq!(failure(&user, &user.store()), "printed more than 64 KiB");
    assert_eq!(alive.read_to_end(), "");
    // White space up to the limit is accepted.
    let user = user_with(&format!("head -c 65000 /dev/zero | tr '\\0' ' '; {GOOD}"));
    assert_eq!(
        user.store().lookup(&scope("a.test")).unwrap(),
        basic("me", "x")
    );
}

#[test]
fn standard_error_is_ignored_on_success() {
    let user = user_with(&format!("head -c 10000000 /dev/zero >&2; {GOOD}"));
    assert_eq!(
        user.store().lookup(&scope("a.test")).unwrap(),
        basic("me", "x")
    );
}

#[test]
fn a_helper_may_ignore_its_input() {
    let user = user_with(&format!("exec <&-; {GOOD}"));
    assert_eq!(
        user.store().lookup(&scope("a.test")).unwrap(),
        basic("me", "x")
    );
    // The input is larger than the pipe buffer, and the helper does not read it.
    let large = login("me", &"x".repeat(1 << 20));
    let user = user_with("exec <&-");
    user.store().store("a.test", &large).unwrap();
    let user = user_with("exit 0");
    user.store().store("a.test", &large).unwrap();
}

/// The input is larger than the pipe buffer.
#[test]
fn a_slow_helper_receives_the_whole_input() {
    let user = user_with(r#"dd bs=7000 of="$D/input" 2>/dev/null"#);
    let large = login("me", &"x".repeat(200_000));
    user.store().store("a.test", &large).unwrap();
    let input: serde_json::Value =
        serde_json::from_slice(&fs::read(user.bin("input")).unwrap()).unwrap();
    assert_eq!(input["Secret"].as_str().unwrap().len(), 200_000);
}

#[test]
fn the_logins_of_a_helper_can_be_listed() {
    let user = User::new();
    user.helper(
        "a",
        r#"test "$1" = list && echo '{"https://a.test":"me","b.test":"you"}'"#,
    );
    user.helper("b", r#"echo '{"a.test":["hunter2"]}'"#);
    let list = |name: &str| user.helpers().find(name).unwrap().list();
    let users: Vec<_> = list("a").unwrap().into_iter().collect();
    assert_eq!(
        users,
        [("b.test", "you"), ("https://a.test", "me")]
            .map(|(server, user)| (server.to_owned(), user.to_owned()))
    );
    assert_eq!(
        list("b").unwrap_err().to_string(),
        "printed JSON in which a user is not a string"
    );
}

#[test]
fn identity_tokens_are_recognized() {
    let user = user_with(r#"echo '{"Username":"<token>","Secret":"refresh"}'"#);
    assert!(matches!(
        user.store().lookup(&scope("a.test")).unwrap(),
        Credentials::IdentityToken(token) if token.expose() == "refresh"
    ));
}
