use windlass::image::{Digest, Platform};
use windlass_docker_api::ApiVersion;

use super::*;
use crate::request::QueryParameters;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn image(names: &[&str]) -> ImageSummary {
    let names = names.iter().map(|name| name.parse().unwrap());
    ImageSummary {
        id: DIGEST.parse().unwrap(),
        names: names.collect(),
        digests: Vec::new(),
        created: None,
        size: 5,
        platform: Platform::new("linux", "amd64", None),
        target: DIGEST.parse::<Digest>().unwrap(),
        pulled: 0,
    }
}

/// Returns the fields that depend on the version: the tags, the virtual size and whether there is a descriptor.
fn listed(minor: u16, names: &[&str]) -> (Option<Vec<String>>, Option<i64>, bool) {
    let version = ApiVersion::new(1, minor);
    let format = ResponseFormat::new(version, &QueryParameters::default());
    let details = ImageDetails {
        descriptor: Some(super::super::image_details::descriptor(
            &DIGEST.parse().unwrap(),
            b"{}",
        )),
        ..ImageDetails::default()
    };
    let item = summary(&image(names), &details, format);
    (item.repo_tags, item.virtual_size, item.descriptor.is_some())
}

#[test]
fn the_fields_of_an_image_depend_on_the_version() {
    let tags = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
    let none = tags(&["<none>:<none>"]);
    assert_eq!(listed(42, &[]), (none, Some(5), false));
    assert_eq!(listed(43, &[]), (tags(&[]), Some(5), false));
    assert_eq!(
        listed(44, &["alpine:3"]),
        (tags(&["alpine:3"]), None, false)
    );
    assert_eq!(listed(48, &["alpine:3"]), (tags(&["alpine:3"]), None, true));
}

#[test]
fn some_fields_are_listed_on_request_only() {
    let query = QueryParameters::parse("manifests=1&shared-size=1");
    let fields = |minor| {
        let format = ResponseFormat::new(ApiVersion::new(1, minor), &query);
        (format.has_shared_size, format.has_manifests)
    };
    assert_eq!(fields(41), (false, false));
    assert_eq!(fields(42), (true, false));
    assert_eq!(fields(47), (true, true));
}
