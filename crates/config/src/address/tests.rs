//! Accepted addresses of each kind, and the errors for others.

use super::*;

fn parsed_host(text: &str) -> Result<String, UrlProblem> {
    host(text).map(String::from)
}

/// EP-2.
#[test]
fn a_host_without_scheme_uses_https() {
    for (text, expected) in [
        ("mirror.test", "https://mirror.test/"),
        ("mirror.test:5000", "https://mirror.test:5000/"),
        ("localhost:5000", "https://localhost:5000/"),
        ("HTTP://Mirror.Test", "http://mirror.test/"),
        ("https://mirror.test:443/", "https://mirror.test/"),
        ("http-mirror.test", "https://http-mirror.test/"),
        ("[fd00::1]:5000", "https://[fd00::1]:5000/"),
        ("https://docker.io", "https://registry-1.docker.io/"),
    ] {
        assert_eq!(parsed_host(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn the_path_of_a_host_is_kept() {
    for (text, expected) in [
        ("https://m.test/v2", "https://m.test/v2"),
        ("https://m.test/hub/v2", "https://m.test/hub/v2"),
        ("https://m.test/hub/", "https://m.test/hub"),
        ("https://m.test/xv2", "https://m.test/xv2"),
        ("https://m.test/v2/hub", "https://m.test/v2/hub"),
        ("https://m.test/v2/", "https://m.test/v2"),
        ("https://m.test/v2/v2", "https://m.test/v2/v2"),
    ] {
        assert_eq!(parsed_host(text), Ok(expected.to_owned()), "{text}");
    }
}

/// EP-3.
#[test]
fn rejects_other_hosts() {
    for (text, expected) in [
        ("ftp://m.test", UrlProblem::Scheme),
        ("https://me:x@m.test", UrlProblem::Userinfo),
        ("https://m.test/?a=b", UrlProblem::Query),
        ("https://m.test/#a", UrlProblem::Query),
        // Other programs would connect to a host with the name `https`, or drop characters.
        ("https:/m.test", UrlProblem::Colon),
        ("m.test:/v2", UrlProblem::Colon),
        ("https://m.test:", UrlProblem::Colon),
        ("https:\\\\m.test", UrlProblem::Character),
        ("https://m.test\\@evil.test", UrlProblem::Character),
        ("https://m.\ntest", UrlProblem::Character),
        ("https://m.test/a b", UrlProblem::Character),
        ("", UrlProblem::Form(url::ParseError::EmptyHost)),
    ] {
        assert_eq!(parsed_host(text), Err(expected), "{text}");
    }
}

/// EP-7, EP-8.
#[test]
fn insecure_registries_have_a_normal_form() {
    for (text, expected) in [
        ("registry.test", Ok("registry.test")),
        ("REGISTRY.test:5000", Ok("registry.test:5000")),
        ("lab", Ok("lab")),
        ("my_host:5000", Ok("my_host:5000")),
        ("registry.test:80", Ok("registry.test:80")),
        ("10.0.0.1", Ok("10.0.0.1")),
        ("10.1.2.3/8", Ok("10.0.0.0/8")),
        ("0.0.0.0/0", Ok("0.0.0.0/0")),
        ("fd00::5/8", Ok("fd00::/8")),
        ("::/0", Ok("::/0")),
        ("::1", Ok("[::1]")),
        ("[FD00::1]:5000", Ok("[fd00::1]:5000")),
        ("", Err(InsecureProblem::Form)),
        ("-a.test", Err(InsecureProblem::Form)),
        ("a.test-", Err(InsecureProblem::Form)),
        ("a.test:", Err(InsecureProblem::Form)),
        ("a.test:0", Err(InsecureProblem::Form)),
        ("a.test:65536", Err(InsecureProblem::Form)),
        ("a.test:+80", Err(InsecureProblem::Form)),
        ("a b", Err(InsecureProblem::Form)),
        ("me@a.test", Err(InsecureProblem::Form)),
        ("a.test/path", Err(InsecureProblem::Form)),
        ("10.0.0.0/", Err(InsecureProblem::Form)),
        ("10.0.0.0/33", Err(InsecureProblem::Length)),
        ("fd00::/129", Err(InsecureProblem::Length)),
        ("10.0.0.0/99999999999", Err(InsecureProblem::Length)),
        ("ftp://a.test", Err(InsecureProblem::Scheme)),
    ] {
        let found = insecure(text).map(|found| found.entry);
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }
    let with_scheme = InsecureEntry {
        entry: "a.test:5000".to_owned(),
        had_scheme: true,
    };
    assert_eq!(insecure("http://a.test:5000"), Ok(with_scheme));
}

/// I7.
#[test]
fn a_proxy_is_shown_without_its_password() {
    for (text, shown) in [
        ("proxy.test:3128", Ok("http://proxy.test:3128")),
        ("http://proxy.test", Ok("http://proxy.test")),
        (
            "socks5h://me:hunter2@proxy.test:1080/",
            Ok("socks5h://hidden@proxy.test:1080"),
        ),
        ("https://me@proxy.test", Ok("https://hidden@proxy.test")),
        ("ftp://proxy.test", Err(ProxyProblem::Scheme)),
        ("http://proxy.test/path", Err(ProxyProblem::More)),
        ("http://proxy.test?x", Err(ProxyProblem::More)),
        ("", Err(ProxyProblem::Form(url::ParseError::EmptyHost))),
    ] {
        let found = proxy(text).map(|proxy| shown_proxy(&proxy));
        assert_eq!(found, shown.map(str::to_owned), "{text}");
    }
}

/// REF-1, REF-2.
#[test]
fn registries_have_the_names_of_references() {
    for (text, expected) in [
        ("docker.io", Some("docker.io")),
        ("index.docker.io", Some("docker.io")),
        ("registry-1.docker.io", Some("registry-1.docker.io")),
        ("QUAY.io", Some("quay.io")),
        ("lab:5000", Some("lab:5000")),
        ("localhost", Some("localhost")),
        ("[FD00::1]:5000", Some("[fd00::1]:5000")),
        ("lab", None),
        ("quay.io/org", None),
        ("", None),
        ("a b.c", None),
        ("x@y.z", None),
    ] {
        assert_eq!(registry_name(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn certificates_are_for_a_host_and_a_port() {
    for (text, expected) in [
        ("docker.io", Some("registry-1.docker.io")),
        ("index.docker.io", Some("registry-1.docker.io")),
        ("Lab:5000", Some("lab:5000")),
        ("lab:443", Some("lab")),
        ("mirror", Some("mirror")),
        ("a/b", None),
        ("a b", None),
    ] {
        assert_eq!(endpoint(text).as_deref(), expected, "{text}");
    }
}

/// I7.
#[test]
fn texts_that_look_like_an_address_are_shown_without_passwords() {
    for (text, shown) in [
        ("a.test", "a.test"),
        ("me:hunter2@a.test", "[hidden]@a.test"),
        ("https://me:hunter2@a.test/b", "https://[hidden]@a.test/b"),
        ("https://me:hun@ter2@a.test", "https://[hidden]@a.test"),
        (
            "https://a.test/b?token=hunter2",
            "https://a.test/b?[hidden]",
        ),
        (
            "https://me:hunt?r2@a.test?x",
            "https://[hidden]@a.test?[hidden]",
        ),
    ] {
        assert_eq!(without_secrets(text), shown);
    }
}
