//! Rows of image lists.

use windlass::Filters;
use windlass::image::{Digest, ImageId, Platform, Reference};

use super::*;

pub(in super::super) fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64))
        .parse()
        .unwrap()
}

fn references(texts: &[&str]) -> Vec<Reference> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(in super::super) fn image(
    digit: char,
    names: &[&str],
    digests: &[&str],
    created: Option<&str>,
) -> ImageSummary {
    ImageSummary {
        id: ImageId::new(digest(digit)),
        target: digest(digit),
        pulled: 0,
        names: references(names),
        digests: references(digests),
        created: created.map(str::to_owned),
        size: 7_377_000,
        platform: Platform::new("linux", "amd64", None),
    }
}

pub(in super::super) fn images() -> Vec<ImageSummary> {
    let at = |name: &str, digit| format!("{name}@{}", digest(digit));
    vec![
        image(
            '1',
            &["alpine:3", "alpine:latest", "localhost:5000/base:3"],
            &[&at("alpine", 'a')],
            None,
        ),
        image(
            '2',
            &["app:2"],
            &[&at("app", 'b')],
            Some("2026-11-01T00:00:00Z"),
        ),
        image('3', &[], &[&at("app", 'c')], Some("2026-11-02T00:00:00Z")),
        image('4', &[], &[], Some("not a time")),
    ]
}

fn names_of(argument: Option<&str>) -> String {
    rows_of(argument, DigestRows::First)
}

fn rows_of(argument: Option<&str>, digests: DigestRows) -> String {
    let images = images();
    let argument = argument.map(|text| text.parse().unwrap());
    let filters = Filters::default();
    let names = NameFilter {
        argument: argument.as_ref(),
        filters: &filters,
    };
    let rows = rows(&images, &names, digests);
    let line = |row: &Row<'_>| {
        let [repository, tag, digest] = row.name.cells();
        format!(
            "{repository} {tag} {:.9} {}",
            digest,
            &row.image.id.short()[..1]
        )
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The newest image is first. Tags, digests without a tag, and images without a name have a row each.
#[test]
fn every_name_has_a_row() {
    insta::assert_snapshot!(names_of(None), @r"
    app <none> sha256:cc 3
    app 2 sha256:bb 2
    <none> <none> <none> 4
    alpine 3 sha256:aa 1
    alpine latest sha256:aa 1
    localhost:5000/base 3 <none> 1
    ");
}

#[test]
fn a_name_filters_by_repository_and_tag() {
    assert_eq!(
        names_of(Some("app")),
        "app <none> sha256:cc 3\napp 2 sha256:bb 2"
    );
    assert_eq!(
        names_of(Some("docker.io/library/alpine:3")),
        "alpine 3 sha256:aa 1"
    );
    assert_eq!(
        names_of(Some("localhost:5000/base")),
        "localhost:5000/base 3 <none> 1"
    );
    assert_eq!(names_of(Some("alp")), "");
}

/// A name has one row unless digests are shown.
#[test]
fn a_name_with_several_digests_has_several_rows() {
    let at = |digit| format!("app@{}", digest(digit));
    let images = [image('5', &["app:1"], &[&at('a'), &at('b')], None)];
    let filters = Filters::default();
    let mut names = NameFilter {
        argument: None,
        filters: &filters,
    };
    let count = |digests| rows(&images, &names, digests).len();
    assert_eq!(count(DigestRows::All), 2);
    assert_eq!(count(DigestRows::First), 1);
    // A digest in the argument is the one that is shown.
    let argument = at('b').parse().unwrap();
    names.argument = Some(&argument);
    let rows = rows(&images, &names, DigestRows::First);
    assert_eq!(rows[0].name.digest, Some(digest('b')));
}

#[test]
fn a_pattern_matches_names() {
    assert_eq!(names_of(Some("a*")).lines().count(), 4);
    assert_eq!(names_of(Some("alp?ne:l*")), "alpine latest sha256:aa 1");
    assert_eq!(names_of(Some("*/base")), "localhost:5000/base 3 <none> 1");
    assert_eq!(names_of(Some("*:[^3]")), "app 2 sha256:bb 2");
    assert_eq!(names_of(Some("*base")), "");
}
