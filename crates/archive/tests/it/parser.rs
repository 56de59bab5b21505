//! Tars that readers interpret differently, which can be used to hide entries (T13).

use crate::builder::{CHECKSUM, Entry, MAGIC, NAME, SIZE, Tar, record};
use crate::sandbox::{all_options, confined, options};
use crate::shape::shape;

fn assert_rejected(tar: impl AsRef<[u8]> + Sync, expected: &str) {
    confined(|sandbox| {
        for options in all_options() {
            let error = sandbox.unpack_error(tar.as_ref(), &options);
            let (_, what) = error.split_once(": ").unwrap();
            assert_eq!(what, expected);
            assert_eq!(shape(&sandbox.root()), "");
        }
    });
}

fn assert_unpacks_to(tar: impl AsRef<[u8]> + Sync, expected: &str) {
    confined(|sandbox| {
        for options in all_options() {
            sandbox.unpack_ok(tar.as_ref(), &options);
            assert_eq!(shape(&sandbox.root()), expected);
            sandbox.reset();
        }
    });
}

/// Returns the header of another entry, which is used as content.
fn payload() -> Vec<u8> {
    Entry::file("etc/evil", "").bytes()
}

/// T13 (a), (b): the PAX size takes precedence over the header.
#[test]
fn the_pax_size_takes_precedence() {
    let digest = windlass_oci::Digest::sha256(payload());
    let hidden = Entry::file("f", payload())
        .number(SIZE, 0)
        .pax("size", "512");
    assert_unpacks_to(
        Tar::new().entry(hidden).file("g", "").end(),
        &format!("f 512 {digest}\ng \"\"\n"),
    );
    let emptied = Entry::file("f", "").number(SIZE, 512).pax("size", "0");
    assert_unpacks_to(
        Tar::new().entry(emptied).file("g", "").end(),
        "f \"\"\ng \"\"\n",
    );
    // It does not apply to extension headers between the PAX header and the entry.
    let long = Entry::new(b'L', "././@LongLink").content("long\0");
    let mut tar = Entry::new(b'x', "p").content(record(b"size", b"1")).bytes();
    tar.extend(long.bytes());
    tar.extend(Entry::file("short", "x").bytes());
    assert_unpacks_to(Tar::new().raw(&tar).end(), "long \"x\"\n");
}

/// T13 (c): the last record of a key takes effect, and an empty value removes the earlier ones.
#[test]
fn the_last_pax_record_takes_effect() {
    let entry = Entry::file("header", "")
        .pax("path", "first")
        .pax("path", "last");
    assert_unpacks_to(Tar::new().entry(entry).end(), "last \"\"\n");
    let entry = Entry::file("header", "")
        .pax("path", "first")
        .pax("path", "");
    assert_unpacks_to(Tar::new().entry(entry).end(), "header \"\"\n");
}

/// T13 (d): a name from both PAX and GNU headers is rejected; an attribute beside a GNU name is accepted.
#[test]
fn names_from_two_sources_are_rejected() {
    let long = |flag| Entry::new(flag, "././@LongLink").content("long\0").bytes();
    let tar = Tar::new()
        .raw(&long(b'L'))
        .entry(Entry::file("f", "").pax("path", "p"));
    assert_rejected(
        tar.end(),
        "the path is set by a PAX record and by a GNU header",
    );
    let tar = Tar::new()
        .raw(&long(b'K'))
        .entry(Entry::symlink("f", "").pax("linkpath", "p"));
    assert_rejected(
        tar.end(),
        "the link target is set by a PAX record and by a GNU header",
    );
    let tar = Tar::new()
        .raw(&long(b'L'))
        .entry(Entry::file("f", "").xattr("user.a", "b"));
    assert_unpacks_to(tar.end(), "long \"\" user.a=b\n");
    for (flag, kind) in [(b'L', "GNU long name"), (b'K', "GNU long link")] {
        let tar = Tar::new().raw(&long(flag)).raw(&long(flag)).file("f", "");
        assert_rejected(tar.end(), &format!("two {kind} headers for one entry"));
    }
    let records = Entry::new(b'x', "p").content(record(b"path", b"p")).bytes();
    let tar = Tar::new().raw(&records).raw(&records).file("f", "");
    assert_rejected(tar.end(), "two PAX headers for one entry");
}

/// T13 (e): records with wrong lengths.
#[test]
fn malformed_pax_records_are_rejected() {
    for bytes in [
        &b"10 path=ab"[..],
        b"12 path=ab\n",
        b"9 path=ab\n",
        b"path=ab\n",
        b"0 path=ab\n",
        b"-1 path=ab\n",
        b"99999999999999999999999 path=ab\n",
        b"10 path=abc",
        b"7 path\n",
        b"5 =a\n",
        b"11 path=ab\n\0",
        b" ",
        b"4 a\n",
    ] {
        let tar = Tar::new().entry(Entry::file("f", "").raw_pax(bytes)).end();
        assert_rejected(tar, "a malformed PAX record");
    }
    for (key, field) in [("path", "path"), ("linkpath", "link target")] {
        let entry = Entry::symlink("f", "t").pax(key, b"a\0b");
        assert_rejected(
            Tar::new().entry(entry).end(),
            &format!("a NUL byte in the {field}"),
        );
    }
}

/// T13 (f): extension headers must be followed by an entry.
#[test]
fn orphaned_extensions_are_rejected() {
    let records = Entry::new(b'x', "p").content(record(b"path", b"p")).bytes();
    let long = Entry::new(b'L', "l").content("long\0").bytes();
    for orphan in [records, long] {
        assert_rejected(
            Tar::new().raw(&orphan).end(),
            "extension headers without an entry",
        );
        assert_rejected(
            Tar::new().raw(&orphan).unended(),
            "extension headers without an entry",
        );
    }
}

/// T13 (g): with a wrong checksum in the first header, the blob is not a tar.
#[test]
fn wrong_checksums_are_rejected() {
    confined(|sandbox| {
        let wrong = Entry::file("g", "")
            .field(CHECKSUM, b"0000000")
            .keep_checksum();
        let tar = Tar::new().file("f", "").entry(wrong.clone()).end();
        let error = sandbox.unpack_error(&tar, &options());
        assert_eq!(
            error,
            "invalid tar at byte 512: the header's checksum does not match"
        );
        for bytes in [
            Tar::new().entry(wrong).end(),
            b"<html>".to_vec(),
            vec![b'x'; 4096],
        ] {
            let error = sandbox.unpack_error(&bytes, &options());
            let expected = "invalid tar at byte 0: this is neither a tar nor a known compression";
            assert_eq!(error, expected);
        }
    });
}

/// T13 (h): in the format before POSIX, a slash marks a directory, and checksums may sum signed bytes.
#[test]
fn old_headers_are_read() {
    let old = |name: &str, content: &str| {
        let mut entry = Entry::file(name, content).mode(0o755).field(MAGIC, b"");
        entry.header[156] = 0;
        entry
    };
    assert_unpacks_to(
        Tar::new().entry(old("d/", "")).entry(old("d/f", "f")).end(),
        "d/\nd/f \"f\"\n",
    );

    let mut signed = Entry::file("\u{e9}", "");
    signed.header[CHECKSUM].fill(b' ');
    let sum: i32 = signed
        .header
        .iter()
        .map(|&byte| i32::from(byte.cast_signed()))
        .sum();
    let signed = signed
        .field(CHECKSUM, format!("{sum:06o}\0").as_bytes())
        .keep_checksum();
    assert_unpacks_to(Tar::new().entry(signed).end(), "\\xc3\\xa9 \"\"\n");
}

#[test]
fn long_names_are_read_in_all_forms() {
    let long = vec!["n".repeat(90); 3].join("/");
    let name = |text: &str| format!("{text}\0");
    let gnu = Tar::new()
        .raw(
            &Entry::new(b'L', "././@LongLink")
                .content(name(&long))
                .bytes(),
        )
        .raw(
            &Entry::new(b'K', "././@LongLink")
                .content(name("target"))
                .bytes(),
        )
        .symlink("short", "");
    confined(|sandbox| {
        sandbox.unpack_ok(&gnu.clone().end(), &options());
        assert!(shape(&sandbox.root()).ends_with(&format!("{long} -> target\n")));
        sandbox.reset();
        // POSIX and star have a prefix. GNU has other fields in its place.
        let prefixed = Entry::file("name", "").field(345..500, b"pre/fix");
        let star = prefixed
            .clone()
            .field(508..512, b"tar\0")
            .field(476..488, b"00000000000");
        let gnu = prefixed.clone().field(MAGIC, b"ustar  \0");
        for (entry, expected) in [
            (prefixed, "pre/\npre/fix/\npre/fix/name \"\"\n"),
            (star, "pre/\npre/fix/\npre/fix/name \"\"\n"),
            (gnu, "name \"\"\n"),
        ] {
            sandbox.unpack_ok(&Tar::new().entry(entry).end(), &options());
            assert_eq!(shape(&sandbox.root()), expected);
            sandbox.reset();
        }
        let full = Entry::file("", "").field(NAME, &[b'n'; 100]);
        sandbox.unpack_ok(&Tar::new().entry(full).end(), &options());
        assert_eq!(
            shape(&sandbox.root()),
            format!("{} \"\"\n", "n".repeat(100))
        );
    });
}

/// Comments in a global header are ignored; records that affect entries are rejected.
#[test]
fn global_headers_are_checked() {
    let global = |key: &[u8]| Entry::new(b'g', "g").content(record(key, b"value")).bytes();
    assert_unpacks_to(
        Tar::new().raw(&global(b"comment")).file("f", "").end(),
        "f \"\"\n",
    );
    for key in ["path", "linkpath", "size", "GNU.sparse.major"] {
        let tar = Tar::new().raw(&global(key.as_bytes())).file("f", "").end();
        assert_rejected(tar, &format!("a global PAX header sets {key:?}"));
    }
}

/// Only files have content, whatever the sizes of other entries are. Unsupported types are rejected.
#[test]
fn sizes_of_other_entries_are_ignored() {
    let tar = Tar::new()
        .entry(Entry::dir("d").number(SIZE, 512))
        .entry(Entry::symlink("l", "t").number(SIZE, 512))
        .file("f", "")
        .end();
    assert_unpacks_to(tar, "d/\nf \"\"\nl -> t\n");
    for (flag, shown) in [
        (b'M', "'M'"),
        (b'V', "'V'"),
        (b's', "'s'"),
        (b'\n', "'\\n'"),
    ] {
        let tar = Tar::new().entry(Entry::new(flag, "f")).end();
        assert_rejected(tar, &format!("unsupported entry type {shown}"));
    }
}

/// A tar ends with two zero blocks or with the data. Bytes behind the end only affect the diff ID.
#[test]
fn every_form_of_end_is_accepted() {
    assert_unpacks_to(Tar::new().file("f", "x").unended(), "f \"x\"\n");
    assert_unpacks_to(
        Tar::new().file("f", "x").raw(&[0; 512]).unended(),
        "f \"x\"\n",
    );
    let mut unpadded = Tar::new().file("f", "x").unended();
    unpadded.truncate(513);
    assert_unpacks_to(unpadded, "f \"x\"\n");
    assert_unpacks_to(vec![0; 1024], "");
    assert_unpacks_to(Vec::new(), "");

    confined(|sandbox| {
        let mut tar = Tar::new().file("f", "").end();
        tar.extend(Tar::new().file("hidden", "").end());
        tar.extend(b"and more");
        let unpacked = sandbox.unpack_ok(&tar, &options());
        assert_eq!(shape(&sandbox.root()), "f \"\"\n");
        assert_eq!(
            unpacked.diff_id.digest(),
            &windlass_oci::Digest::sha256(&tar)
        );
    });
}

#[test]
fn truncated_tars_are_rejected() {
    confined(|sandbox| {
        let tar = Tar::new()
            .file("f", vec![b'x'; 1000])
            .file("g", "")
            .unended();
        for length in [700, 1511, 1600, 2000] {
            let error = sandbox.unpack_error(&tar[..length], &options());
            let (_, what) = error.split_once(": ").unwrap();
            let expected = "it is truncated";
            // 1511 removes the last byte of the first file's content.
            assert_eq!(what, expected, "{length}");
        }
        let lone = Tar::new().file("f", "").raw(&[0; 512]).file("g", "").end();
        let error = sandbox.unpack_error(&lone, &options());
        assert_eq!(
            error,
            "invalid tar at byte 512: a single zero block is followed by data"
        );
    });
}
