//! Listing the members of a tar file.

use std::io::Write as _;

use windlass_archive::{TarMember, TarMemberKind, UnpackError, list_members};

use crate::builder::{Entry, Tar};

fn list(tar: &[u8]) -> Result<Vec<TarMember>, UnpackError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(tar).unwrap();
    let mut found = Vec::new();
    list_members(&file, |member| {
        found.push(member);
        Ok::<_, UnpackError>(())
    })?;
    Ok(found)
}

fn content<'a>(tar: &'a [u8], member: &TarMember) -> &'a [u8] {
    let start = usize::try_from(member.offset).unwrap();
    &tar[start..start + usize::try_from(member.size).unwrap()]
}

/// The offsets are correct behind large members.
#[test]
fn members_have_the_offsets_of_their_content() {
    let large = vec![7; 100_001];
    let long = Entry::file("short", b"hello").pax("path", "d/".repeat(90) + "name");
    let tar = Tar::new()
        .file("a", &large)
        .entry(long)
        .symlink("l", "../../canary")
        .link("h", "a")
        .dir("e")
        .entry(Entry::fifo("p"))
        .end();
    let found = list(&tar).unwrap();
    assert_eq!(content(&tar, &found[0]), large);
    assert_eq!(found[1].path, ("d/".repeat(90) + "name").as_bytes());
    assert_eq!(content(&tar, &found[1]), b"hello");
    let kinds: Vec<_> = found.into_iter().map(|member| member.kind).collect();
    let expected = [
        TarMemberKind::File,
        TarMemberKind::File,
        TarMemberKind::Symlink(b"../../canary".to_vec()),
        TarMemberKind::HardLink(b"a".to_vec()),
        TarMemberKind::Directory,
        TarMemberKind::Other,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn truncated_tars_are_rejected() {
    let tar = Tar::new().file("a", vec![1; 70_000]).end();
    for cut in [600, 30_000, 70_000] {
        assert!(matches!(
            list(&tar[..cut]),
            Err(UnpackError::Tar { offset: 0, .. })
        ));
    }
}
