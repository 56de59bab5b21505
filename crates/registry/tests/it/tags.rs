//! Lists of tags (T23).

use std::net::Ipv4Addr;

use windlass_registry::RegistryError;
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{open, report};

fn names(tags: &[windlass_oci::Tag]) -> Vec<&str> {
    tags.iter().map(windlass_oci::Tag::as_str).collect()
}

fn push(registry: &Registry, tags: &[&str]) {
    for tag in tags {
        registry.push(ImageBuilder::new(), &format!("app:{tag}"));
    }
}

/// HT-18, MF-1.
#[tokio::test]
async fn all_pages_in_the_order_of_the_registry() {
    let registry = Registry::builder().tags_per_page(2).start();
    push(&registry, &["1", "2", "3", "4", "5"]);
    let tags = open(&registry).tags().await.unwrap();
    assert_eq!(names(&tags), ["1", "2", "3", "4", "5"]);
    assert_eq!(registry.log().len(), 3);
}

#[tokio::test]
async fn no_tags_and_no_repository() {
    let registry = Registry::start();
    let repository = open(&registry);
    let error = repository.tags().await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "tags of app at REGISTRY: no such repository"
    );
    for body in [
        r#"{"name":"app","tags":null}"#,
        r#"{"name":"app","tags":[]}"#,
        "{}",
    ] {
        registry.tags("app").body(body).then_ok();
        assert_eq!(repository.tags().await.unwrap(), []);
    }
}

/// T23: invalid tags are skipped, and duplicates removed.
#[tokio::test]
async fn only_tags_and_each_once() {
    let registry = Registry::start();
    let body = r#"{"tags":["a","../../x","\u001b[2J","a",null,"b","a/../b",""]}"#;
    registry.tags("app").body(body).then_ok();
    assert_eq!(names(&open(&registry).tags().await.unwrap()), ["a", "b"]);
}

/// D7, T23.
#[tokio::test]
async fn the_next_page_is_on_the_same_origin() {
    let evil = Registry::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start();
    let registry = Registry::start();
    push(&registry, &["1"]);
    let link = format!("<{}/v2/app/tags/list>; rel=\"next\"", evil.url());
    registry.tags("app").header("link", &link).then_ok();
    let error = open(&registry).tags().await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "tags of app at REGISTRY: malformed response: its next page is on another host"
    );
    assert_eq!(evil.log().len(), 0);
}

/// D8, T23.
#[tokio::test]
async fn a_list_that_links_to_itself_ends() {
    let registry = Registry::start();
    push(&registry, &["1"]);
    for next in [
        "</v2/app/tags/list>; rel=next",
        "</v2/app/tags/list?last=1>; rel=next",
    ] {
        registry
            .tags("app")
            .body(r#"{"tags":["1"]}"#)
            .header("link", next)
            .forever();
        let before = registry.log().len();
        let error = open(&registry).tags().await.unwrap_err();
        assert_eq!(
            report(&error, &registry),
            "tags of app at REGISTRY: malformed response: its pages form a loop"
        );
        assert!(registry.log().len() - before <= 2);
    }
}

/// T23, E1.
#[tokio::test]
async fn a_list_is_limited() {
    let registry = Registry::start();
    push(&registry, &["1"]);
    registry.tags("app").endless().then_ok();
    let error = open(&registry).tags().await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::TooLarge {
                limit: 67_108_864,
                ..
            }
        ),
        "{error:?}"
    );
    registry.tags("app").body("[").then_ok();
    let error = open(&registry).tags().await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Malformed { .. }),
        "{error:?}"
    );
}
