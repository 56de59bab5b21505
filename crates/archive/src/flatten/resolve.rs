//! Resolves paths in the tree of names in the same way as [`crate::apply`]: through symbolic links, as if the root
//! were `/`.

use super::tree::{NameNode, NameTree, ROOT};
use crate::entry_name::EntryName;
use crate::entry_path;
use crate::error::EntryError;
use crate::unpack_rules::{MAX_LINKS, MAX_STEPS, MissingParent, charge_link_step, push_components};

impl NameTree {
    /// Returns the directory at the normalized `path`. Returns `None` if it is missing and `missing` is
    /// [`MissingParent::Leave`].
    pub(super) fn resolve(
        &mut self,
        path: &[u8],
        missing: MissingParent,
    ) -> Result<Option<usize>, EntryError> {
        match self.find_without_links(path) {
            Some(found) => Ok(Some(found)),
            None => self.walk(path, missing),
        }
    }

    /// Returns the directory at `path` if it exists and the path contains no symbolic link.
    fn find_without_links(&self, path: &[u8]) -> Option<usize> {
        let mut names = path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty());
        names.try_fold(ROOT, |current, name| match self.child(current, name)? {
            NameNode::Directory(index) => Some(*index),
            NameNode::Symlink(..) | NameNode::Other(_) => None,
        })
    }

    fn walk(&mut self, path: &[u8], missing: MissingParent) -> Result<Option<usize>, EntryError> {
        let mut current = ROOT;
        let (mut links, mut steps) = (0, 0);
        let mut pending = Vec::new();
        push_components(&mut pending, path);
        while let Some(name) = pending.pop() {
            steps += 1;
            if steps > MAX_STEPS {
                return Err(EntryError::LinkLoop);
            }
            let length = self.directories[current].path_length;
            if links > 0 {
                charge_link_step(&mut self.link_steps, length)?;
            }
            if name == b".." {
                // As in any file system, the parent of the root is the root.
                current = self.directories[current].parent;
                continue;
            }
            if length + usize::from(length > 0) + name.len() >= entry_path::PATH_MAX {
                return Err(EntryError::PathTooLong);
            }
            current = match self.child(current, &name) {
                Some(NameNode::Directory(index)) => *index,
                Some(NameNode::Symlink(_, target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(EntryError::LinkLoop);
                    }
                    push_components(&mut pending, target);
                    if target.starts_with(b"/") {
                        ROOT
                    } else {
                        current
                    }
                }
                None if missing == MissingParent::Create => {
                    self.create_directory(current, &name)?
                }
                None => return Ok(None),
                Some(NameNode::Other(_)) if missing == MissingParent::Leave => return Ok(None),
                Some(NameNode::Other(_)) => {
                    return Err(EntryError::NotADirectory {
                        parent: EntryName::new(&self.path(current, &name)),
                    });
                }
            };
        }
        Ok(Some(current))
    }
}
