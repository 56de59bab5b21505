//! Parsing of an image's `/etc/passwd` and `/etc/group`, whose content is untrusted.

use crate::error::AccountsError;
use crate::root::ImageRoot;

/// The file of users in an image.
pub(crate) const PASSWD: &str = "/etc/passwd";

/// The file of groups in an image.
pub(crate) const GROUP: &str = "/etc/group";

/// The longest line that is accepted, in bytes.
const MAX_LINE: usize = 1 << 20;

/// The content of one of the files; malformed lines are skipped.
#[derive(Debug, Default)]
pub(crate) struct AccountFile(Vec<u8>);

/// A line of `/etc/passwd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PasswdEntry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: &'a [u8],
}

/// A line of `/etc/group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupEntry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) gid: u32,
    members: &'a [u8],
}

impl AccountFile {
    /// Reads the file at `path`; a missing file is treated as an empty one.
    pub(crate) fn read(root: ImageRoot<'_>, path: &str) -> Result<Self, AccountsError> {
        Self::from_bytes(root.read(path)?.unwrap_or_default())
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<Self, AccountsError> {
        let accounts = Self(bytes);
        let is_long = accounts.lines().any(|line| line.len() > MAX_LINE);
        match is_long {
            true => Err(AccountsError::LongLine { limit: MAX_LINE }),
            false => Ok(accounts),
        }
    }

    /// Returns the users, in the order of the file.
    pub(crate) fn users(&self) -> impl Iterator<Item = PasswdEntry<'_>> {
        self.lines().filter_map(|line| {
            let mut fields = fields(line);
            let name = fields.next()?;
            let (uid, gid) = (parse_id(fields.nth(1)?)?, parse_id(fields.next()?)?);
            let home = fields.nth(1).unwrap_or_default();
            Some(PasswdEntry {
                name,
                uid,
                gid,
                home,
            })
        })
    }

    /// Returns the groups, in the order of the file.
    pub(crate) fn groups(&self) -> impl Iterator<Item = GroupEntry<'_>> {
        self.lines().filter_map(|line| {
            let mut fields = fields(line);
            let name = fields.next()?;
            let gid = parse_id(fields.nth(1)?)?;
            let members = fields.next().unwrap_or_default();
            Some(GroupEntry { name, gid, members })
        })
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'\n')
    }
}

impl GroupEntry<'_> {
    /// Returns whether the user `name` is a member of the group.
    pub(crate) fn has_member(&self, name: &[u8]) -> bool {
        let mut members = self.members.split(|byte| *byte == b',');
        !name.is_empty() && members.any(|member| member.trim_ascii() == name)
    }
}

/// Parses the ID of a user or group. The largest number is rejected: for the kernel it means "no ID".
pub(crate) fn parse_id(text: &[u8]) -> Option<u32> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_number)?;
    text.parse().ok().filter(|id| *id != u32::MAX)
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.trim_ascii().split(|byte| *byte == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(text: &str) -> AccountFile {
        AccountFile::from_bytes(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn malformed_lines_are_skipped() {
        let passwd = accounts(
            "root:x:0:0:root:/root:/bin/sh\n\n# note\n+::::::\nshort:x:1\nbad:x:-1:2::/:\n\
             none:x:4294967295:1::/:\nbig:x:4294967296:1::/:\nfew:x:7:8\nlast:x:9:10::/l",
        );
        let users: Vec<_> = passwd
            .users()
            .map(|user| (user.name, user.uid, user.gid, user.home))
            .collect();
        assert_eq!(
            users,
            [
                (b"root".as_slice(), 0, 0, b"/root".as_slice()),
                (b"few", 7, 8, b""),
                (b"last", 9, 10, b"/l")
            ]
        );
    }

    #[test]
    fn members_are_compared_as_whole_names() {
        let group = accounts("a:x:1:bob,eve\nb:x:2\nc:x:3:bobby, bob\nd:x::bob\ne:x:5:\n");
        let with = |name: &[u8]| -> Vec<u32> {
            let groups = group.groups().filter(|group| group.has_member(name));
            groups.map(|group| group.gid).collect()
        };
        assert_eq!(with(b"bob"), [1, 3]);
        assert_eq!(with(b"eve"), [1]);
        assert_eq!(with(b""), [0; 0]);
    }

    #[test]
    fn the_length_of_a_line_is_bounded() {
        let long = AccountFile::from_bytes(vec![b'x'; MAX_LINE + 1]).unwrap_err();
        assert_eq!(long.to_string(), "a line is longer than 1048576 bytes");
        assert!(AccountFile::from_bytes(vec![b'x'; MAX_LINE]).is_ok());
    }
}
