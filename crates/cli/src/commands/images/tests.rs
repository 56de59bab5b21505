//! Tables of images.

use windlass::Platform;

use super::*;

fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64))
        .parse()
        .unwrap()
}

fn references(texts: &[&str]) -> Vec<Reference> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn image(digit: char, names: &[&str], digests: &[&str], created: Option<&str>) -> ImageSummary {
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

fn images() -> Vec<ImageSummary> {
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

fn names_of(wanted: Option<&str>) -> String {
    let images = images();
    let wanted = wanted.map(|text| text.parse().unwrap());
    let rows = rows(&images, wanted.as_ref());
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

/// The youngest first; a row a tag, one for a digest alone, one for no name at all.
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

#[test]
fn the_tables_have_dockers_columns() {
    let args = Args {
        name: None,
        all: false,
        digests: false,
        no_trunc: false,
        quiet: false,
        json: false,
    };
    let images = [image('1', &["alpine:3"], &[], None)];
    let rows = rows(&images, None);
    let mut out = Vec::new();
    args.table(&rows).write(&mut out).unwrap();
    args.table_with_digests(&rows).write(&mut out).unwrap();
    let args = Args {
        no_trunc: true,
        ..args
    };
    args.table(&rows).write(&mut out).unwrap();
    output::json::line(&mut out, &rows[0].record()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
    REPOSITORY   TAG       IMAGE ID       CREATED   SIZE
    alpine       3         111111111111   N/A       7.38MB
    REPOSITORY   TAG       DIGEST    IMAGE ID       CREATED   SIZE
    alpine       3         <none>    111111111111   N/A       7.38MB
    REPOSITORY   TAG       IMAGE ID                                                                  CREATED   SIZE
    alpine       3         sha256:1111111111111111111111111111111111111111111111111111111111111111   N/A       7.38MB
    {"repository":"alpine","tag":"3","digest":null,"image_id":"sha256:1111111111111111111111111111111111111111111111111111111111111111","created":null,"size":7377000,"platform":"linux/amd64"}
    "#);
}
