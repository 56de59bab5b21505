//! Credentials, kept out of messages and logs.

pub use windlass_http::Secret;

/// The credentials of a caller for one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// None; public images can be pulled without credentials (HT-11).
    #[default]
    Anonymous,
    /// A user name and a password or access token.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, exchanged for access tokens at the token server (HT-8).
    IdentityToken(Secret),
    /// An access token for the registry itself, sent as it is (HT-10).
    RegistryToken(Secret),
}

impl Credentials {
    /// Returns credentials of a user name and a password; none if either is empty, as in templates that were not
    /// filled in. Docker and skopeo send none either.
    pub fn basic(username: impl Into<String>, password: Secret) -> Self {
        let username = username.into();
        if username.is_empty() || password.expose().is_empty() {
            return Self::Anonymous;
        }
        Self::Basic { username, password }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_user_name_or_password_means_anonymous() {
        for (username, password) in [("", ""), ("me", ""), ("", "hunter2")] {
            let credentials = Credentials::basic(username, Secret::new(password));
            assert_eq!(credentials, Credentials::Anonymous, "{username:?}");
        }
    }

    /// I7.
    #[test]
    fn debug_does_not_show_the_password() {
        let credentials = Credentials::Basic {
            username: "gopher".to_owned(),
            password: Secret::new("hunter2"),
        };
        assert_eq!(
            format!("{credentials:?}"),
            r#"Basic { username: "gopher", password: [hidden] }"#
        );
    }
}
