//! Resolution of `USER[:GROUP]` with the image's `/etc/passwd` and `/etc/group`.
//!
//! A number need not be listed in these files, a name must be. Without a group, the group is that of the listed user,
//! and the supplementary groups are those that the user is a member of. With a group, that is the only one.

use windlass_oci::text::sanitize;

use crate::accounts::{AccountFile, GROUP, PASSWD, PasswdEntry, parse_id};
use crate::error::{AccountsError, BundleWarning, ConvertError};
use crate::options::RuntimeUser;
use crate::root::ImageRoot;
use crate::spec::User;

/// The largest number of groups of a process on Linux.
const MAX_GROUPS: usize = 1 << 16;

/// A parsed `USER[:GROUP]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserSpec<'a> {
    user: AccountName<'a>,
    group: Option<AccountName<'a>>,
}

/// A user or group by number or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccountName<'a> {
    Number(u32),
    Text(&'a str),
}

/// A user of an image, with IDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolvedUser {
    pub(crate) user: User,
    /// The user's home directory, or `/`.
    pub(crate) home: String,
}

impl<'a> UserSpec<'a> {
    /// Parses `USER`, `USER:GROUP`, `:GROUP` or an empty string, which means root.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ConvertError> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let invalid = || ConvertError::InvalidUser {
            user: sanitize(text),
        };
        if group.contains(':') || text.contains('\0') {
            return Err(invalid());
        }
        let name = |text| AccountName::parse(text).ok_or_else(invalid);
        Ok(Self {
            user: if user.is_empty() {
                AccountName::Number(0)
            } else {
                name(user)?
            },
            group: if group.is_empty() {
                None
            } else {
                Some(name(group)?)
            },
        })
    }

    /// Looks the user up in `root`.
    pub(crate) fn resolve(
        &self,
        root: ImageRoot<'_>,
        runtime_user: RuntimeUser,
        warnings: &mut Vec<BundleWarning>,
    ) -> Result<ResolvedUser, ConvertError> {
        let passwd = self.user.accounts(root, PASSWD, warnings)?;
        let listed = passwd
            .users()
            .find(|listed| self.user.matches(listed.name, listed.uid));
        let (uid, user_gid) = match (listed, self.user) {
            (Some(listed), _) => (listed.uid, listed.gid),
            (None, AccountName::Number(uid)) => (uid, 0),
            (None, AccountName::Text(user)) => {
                return Err(ConvertError::UnknownUser {
                    user: sanitize(user),
                });
            }
        };
        let (gid, additional_gids) = match (self.group, listed) {
            (Some(group), _) => (group.gid(root, warnings)?, Vec::new()),
            // A rootless container cannot set supplementary groups.
            (None, _) if runtime_user != RuntimeUser::Root => (user_gid, Vec::new()),
            (None, None) => (user_gid, Vec::new()),
            (None, Some(listed)) => (user_gid, groups_of(listed, root, warnings)),
        };
        if runtime_user != RuntimeUser::Root && (uid, gid) != (0, 0) {
            return Err(ConvertError::Unmapped { uid, gid });
        }
        let user = User {
            uid,
            gid,
            additional_gids,
        };
        Ok(ResolvedUser {
            user,
            home: listed.and_then(home).unwrap_or("/").to_owned(),
        })
    }
}

impl<'a> AccountName<'a> {
    /// Digits are always a number; `None` if it is too large.
    fn parse(text: &'a str) -> Option<Self> {
        match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => parse_id(text.as_bytes()).map(Self::Number),
            false => Some(Self::Text(text)),
        }
    }

    fn matches(self, name: &[u8], id: u32) -> bool {
        match self {
            Self::Number(number) => number == id,
            Self::Text(text) => text.as_bytes() == name,
        }
    }

    /// Reads the file at `path`. For a number, an unreadable file causes only a warning.
    fn accounts(
        self,
        root: ImageRoot<'_>,
        path: &'static str,
        warnings: &mut Vec<BundleWarning>,
    ) -> Result<AccountFile, ConvertError> {
        match (AccountFile::read(root, path), self) {
            (Ok(accounts), _) => Ok(accounts),
            (Err(source), Self::Number(_)) => Ok(warn_unreadable(path, source, warnings)),
            (Err(source), Self::Text(name)) => Err(ConvertError::Accounts {
                name: sanitize(name),
                path,
                source,
            }),
        }
    }

    /// Resolves the name of a group.
    fn gid(
        self,
        root: ImageRoot<'_>,
        warnings: &mut Vec<BundleWarning>,
    ) -> Result<u32, ConvertError> {
        let name = match self {
            Self::Number(gid) => return Ok(gid),
            Self::Text(name) => name,
        };
        let groups = self.accounts(root, GROUP, warnings)?;
        let listed = groups
            .groups()
            .find(|listed| self.matches(listed.name, listed.gid));
        let unknown = || ConvertError::UnknownGroup {
            group: sanitize(name),
        };
        listed.map(|listed| listed.gid).ok_or_else(unknown)
    }
}

/// Returns the IDs of the groups that `user` is a member of.
fn groups_of(
    user: PasswdEntry<'_>,
    root: ImageRoot<'_>,
    warnings: &mut Vec<BundleWarning>,
) -> Vec<u32> {
    let groups = AccountFile::read(root, GROUP);
    let groups = groups.unwrap_or_else(|source| warn_unreadable(GROUP, source, warnings));
    let listing = groups.groups().filter(|group| group.has_member(user.name));
    let mut gids: Vec<_> = listing.map(|group| group.gid).collect();
    gids.sort_unstable();
    gids.dedup();
    gids.truncate(MAX_GROUPS);
    gids
}

/// Adds a warning for an unreadable file, which is then treated as empty.
fn warn_unreadable(
    path: &'static str,
    source: AccountsError,
    warnings: &mut Vec<BundleWarning>,
) -> AccountFile {
    warnings.push(BundleWarning::Accounts { path, source });
    AccountFile::default()
}

fn home(user: PasswdEntry<'_>) -> Option<&str> {
    let home = std::str::from_utf8(user.home).ok()?;
    (home.starts_with('/') && !home.contains('\0')).then_some(home)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;

    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:100:Bob:/home/bob:/bin/sh\n\
                          bob:x:1001:1001::/second:\nodd:x:5:6::relative:\n12:x:13:14::/twelve:\n";
    const GROUP: &str =
        "root:x:0:root\nadm:x:4:root,bob\nusers:x:100:\nfleet:x:2000:bob\nadm:x:4:bob\n";

    fn resolved(text: &str, runtime_user: RuntimeUser) -> Result<(User, String), String> {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("etc")).unwrap();
        fs::write(directory.path().join("etc/passwd"), PASSWD).unwrap();
        fs::write(directory.path().join("etc/group"), GROUP).unwrap();
        let handle = fs::File::open(directory.path()).unwrap();
        let mut warnings = Vec::new();
        let resolved = UserSpec::parse(text).and_then(|user| {
            user.resolve(ImageRoot::new(handle.as_fd()), runtime_user, &mut warnings)
        });
        assert!(warnings.is_empty(), "{warnings:?}");
        let resolved = resolved.map_err(|error| error.to_string())?;
        Ok((resolved.user, resolved.home))
    }

    #[test]
    fn users_are_resolved_with_the_files_of_the_image() {
        type Row = (&'static str, u32, u32, &'static [u32], &'static str);
        let rows: &[Row] = &[
            ("", 0, 0, &[0, 4], "/root"),
            ("0", 0, 0, &[0, 4], "/root"),
            ("root", 0, 0, &[0, 4], "/root"),
            ("root:", 0, 0, &[0, 4], "/root"),
            ("bob", 1000, 100, &[4, 2000], "/home/bob"),
            ("1000", 1000, 100, &[4, 2000], "/home/bob"),
            ("1001", 1001, 1001, &[4, 2000], "/second"),
            ("bob:fleet", 1000, 2000, &[], "/home/bob"),
            ("bob:0", 1000, 0, &[], "/home/bob"),
            (":fleet", 0, 2000, &[], "/root"),
            ("7", 7, 0, &[], "/"),
            ("7:8", 7, 8, &[], "/"),
            ("7:fleet", 7, 2000, &[], "/"),
            ("odd", 5, 6, &[], "/"),
            // Digits are a number, even if a user has this name.
            ("12", 12, 0, &[], "/"),
            (
                "4294967294:4294967294",
                u32::MAX - 1,
                u32::MAX - 1,
                &[],
                "/",
            ),
        ];
        for (text, uid, gid, gids, home) in rows {
            let user = User {
                uid: *uid,
                gid: *gid,
                additional_gids: gids.to_vec(),
            };
            let expected = Ok((user, (*home).to_owned()));
            assert_eq!(resolved(text, RuntimeUser::Root), expected, "{text:?}");
        }
    }

    #[test]
    fn unknown_and_malformed_users_are_rejected() {
        let texts = [
            "eve",
            "eve:0",
            "bob:eve",
            "4294967295",
            "99999999999999999999",
            "1:2:3",
            "1:4294967295",
            "a\0b",
            "-1",
            "+1",
            "Bob",
        ];
        let rejections = texts.map(|text| resolved(text, RuntimeUser::Root).unwrap_err());
        insta::assert_snapshot!(rejections.join("\n"), @r#"
        the image has no user "eve"
        the image has no user "eve"
        the image has no group "eve"
        "4294967295" is not a user: expected USER or USER:GROUP, by name or number
        "99999999999999999999" is not a user: expected USER or USER:GROUP, by name or number
        "1:2:3" is not a user: expected USER or USER:GROUP, by name or number
        "1:4294967295" is not a user: expected USER or USER:GROUP, by name or number
        "a\0b" is not a user: expected USER or USER:GROUP, by name or number
        the image has no user "-1"
        the image has no user "+1"
        the image has no user "Bob"
        "#);
    }

    #[test]
    fn a_rootless_container_has_only_root() {
        let runtime_user = RuntimeUser::Rootless {
            uid: 1000,
            gid: 1000,
        };
        let root = (User::default(), "/root".to_owned());
        for text in ["", "0", "root", "root:root", "0:0"] {
            assert_eq!(resolved(text, runtime_user), Ok(root.clone()), "{text:?}");
        }
        let mut rejections = Vec::new();
        for text in ["bob", "1", ":1"] {
            let rejection = resolved(text, runtime_user).unwrap_err();
            rejections.push(rejection);
        }
        insta::assert_snapshot!(rejections.join("\n"), @r"
        the container would run as user 1000 and group 100, but a rootless bundle has only user 0 and group 0
        the container would run as user 1 and group 0, but a rootless bundle has only user 0 and group 0
        the container would run as user 0 and group 1, but a rootless bundle has only user 0 and group 0
        ");
    }
}
