//! The client against daemons that misbehave.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::thread;

use rustix::thread::set_thread_res_uid;
use tempfile::TempDir;
use windlass::registry::{Secret, StaticCredentials};
use windlass_error_report::LoginState;

use super::*;

/// The ID of a user other than root and that of the test.
const OTHER_USER: u32 = 12345;

/// Runs `serve` on one connection to a socket that `user` has made. It is sent each line that is received, and returns
/// the one to reply with. Returns the lines.
fn serve(
    user: Option<u32>,
    mut reply: impl FnMut(&str) -> Option<String> + Send + 'static,
) -> (TempDir, thread::JoinHandle<Vec<String>>) {
    let directory = TempDir::new().unwrap();
    let permissions = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory.path(), permissions).unwrap();
    let path = directory.path().join(SOCKET_NAME);
    let (bound, is_bound) = std::sync::mpsc::channel();
    let serving = thread::spawn(move || {
        if let Some(user) = user {
            let user = Uid::from_raw(user);
            set_thread_res_uid(user, user, user).unwrap();
        }
        let listener = UnixListener::bind(path).unwrap();
        bound.send(()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        for line in BufReader::new(&stream).lines().map_while(Result::ok) {
            let sent = reply(&line);
            received.push(line);
            match sent {
                Some(sent) => (&stream).write_all(sent.as_bytes()).unwrap(),
                None => break,
            }
        }
        received
    });
    is_bound.recv().unwrap();
    (directory, serving)
}

fn pull(directory: &TempDir) -> Result<Pulled, ControlError> {
    let client = ControlClient {
        root: directory.path().to_owned(),
    };
    let params = PullParams {
        reference: "r.test/app:1".parse().unwrap(),
        platform: None,
        artifacts: Vec::new(),
        limit_rate: None,
        login: LoginState::Missing,
    };
    let credentials = StaticCredentials {
        host: "r.test".to_owned(),
        credentials: Credentials::IdentityToken(Secret::new("secret")),
    };
    client
        .pull(params, Arc::new(credentials))
        .run(drop)
        .unwrap()
}

fn line(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap() + "\n"
}

/// Sends a handshake, and then the request for credentials.
fn reply_with_credential_request(received: &str) -> Option<String> {
    let request = Response::CredentialRequest {
        host: "r.test".to_owned(),
        repository: "app".to_owned(),
    };
    match received {
        _ if received.starts_with("{\"windlass\"") => Some(line(&Handshake::current())),
        _ if received.starts_with("{\"request\"") => Some(line(&request)),
        _ => None,
    }
}

/// Another version could misunderstand the request, and the descriptor with it.
#[test]
fn a_daemon_of_another_version_gets_no_request() {
    let (directory, serving) = serve(None, |_| Some("{\"windlass\":\"0.0.0\"}\n".to_owned()));
    let error = pull(&directory).unwrap_err();
    assert!(matches!(error, ControlError::Version { daemon } if daemon == "0.0.0"));
    let received = serving.join().unwrap();
    assert_eq!(received.len(), 1, "{received:?}");
}

#[test]
fn the_own_daemon_gets_credentials() {
    let (directory, serving) = serve(None, reply_with_credential_request);
    pull(&directory).unwrap_err();
    let received = serving.join().unwrap();
    assert_eq!(
        received[2],
        r#"{"credentials":"identity_token","token":"secret"}"#
    );
}

/// The owner of a directory can put a socket into it, and root may use that directory as a store.
#[test]
fn a_daemon_of_another_user_gets_no_credentials() {
    if !geteuid().is_root() {
        // Only root can act as another user.
        return;
    }
    let (directory, serving) = serve(Some(OTHER_USER), reply_with_credential_request);
    pull(&directory).unwrap_err();
    let received = serving.join().unwrap();
    assert_eq!(received[2], r#"{"credentials":"anonymous"}"#);
}

#[test]
fn daemons_of_root_and_the_user_may_get_credentials() {
    let user = Uid::from_raw(1000);
    let daemons = [0, 1000, 1001, 65534].map(Uid::from_raw);
    let allowed = daemons.map(|daemon| may_send_credentials(daemon, user));
    assert_eq!(allowed, [true, true, false, false]);
    assert!(!may_send_credentials(user, Uid::ROOT));
}

#[test]
fn texts_of_the_daemon_cannot_steer_a_terminal() {
    let (directory, serving) = serve(None, |received| {
        let report = serde_json::json!({
            "code": "daemon", "message": "a\u{1b}[2J", "tried": ["\u{9b}"], "hint": "\n"
        });
        let failed = serde_json::json!({ "response": "failed", "report": report });
        match received.starts_with("{\"windlass\"") {
            true => Some(line(&Handshake::current())),
            false => Some(line(&failed)),
        }
    });
    let ControlError::Reported(report) = pull(&directory).unwrap_err() else {
        panic!("the daemon reports an error");
    };
    serving.join().unwrap();
    let ErrorReport {
        message,
        tried,
        hint,
        ..
    } = *report;
    assert_eq!(message, r"a\u{1b}[2J");
    assert_eq!(tried, [r"\u{9b}"]);
    assert_eq!(hint.as_deref(), Some(r"\n"));
}
