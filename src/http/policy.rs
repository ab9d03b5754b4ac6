//! Who may do what: the words of the route table, and the one decision that they stand for.

use watchme_actors::{
    domain::{Role, UserId, UserStatus},
    ports::Standing,
};

use super::{ErrorCode, Settings};
use crate::config::PackageCreators;

/// Who may use a route.
///
/// | word | without a token | address not verified | user | the user of `{id}` | admin |
/// |---|---|---|---|---|---|
/// | `public` | yes | yes | yes | yes | yes |
/// | `signed_in` | 401 | yes | yes | yes | yes |
/// | `user` | 401 | 403 | yes | yes | yes |
/// | `admin` | 401 | 403 | 403 | 403 | yes |
/// | `self_or_admin` | 401 | 403, for the user of `{id}` yes | 404 | yes | yes |
/// | `owner` | 401 | 403 | 404 | yes | 403, or 404 where there is no such user |
/// | `package_creator` | 401 | 403 | as the operator says, else 403 | the same | yes |
///
/// A token of an account that is gone or disabled, or of a session that has ended, is none: 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody.
    Public,
    /// Anybody who is signed in, also with an address that is still to be verified.
    SignedIn,
    /// Anybody who is signed in and may use the service.
    User,
    /// Admins.
    Admin,
    /// The user of the path's `{id}`, also with an address that is still to be verified, and admins;
    /// for others there is no such user.
    SelfOrAdmin,
    /// The user of the path's `{id}` alone; for other users there is no such user.
    Owner,
    /// Whoever may create packages: admins, or everybody where the operator says so.
    PackageCreator,
}

impl Access {
    /// The word in the OpenAPI document.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::SignedIn => "signed_in",
            Self::User => "user",
            Self::Admin => "admin",
            Self::SelfOrAdmin => "self_or_admin",
            Self::Owner => "owner",
            Self::PackageCreator => "package_creator",
        }
    }

    /// Whether an address that is still to be verified keeps its user out.
    fn needs_verification(self) -> bool {
        !matches!(self, Self::Public | Self::SignedIn)
    }

    /// Every code that those who may not are refused with.
    pub(crate) fn refusals(self) -> Vec<ErrorCode> {
        use ErrorCode as C;
        if self == Self::Public {
            return Vec::new();
        }
        let mut codes = vec![
            C::Unauthenticated,
            C::InvalidToken,
            C::TokenExpired,
            C::AccountInactive,
            C::SessionEnded,
        ];
        if self.needs_verification() {
            codes.push(C::EmailNotVerified);
        }
        match self {
            Self::Public | Self::SignedIn | Self::User => {}
            Self::Admin | Self::PackageCreator => codes.push(C::AdminOnly),
            Self::SelfOrAdmin => codes.push(C::UserNotFound),
            Self::Owner => codes.extend([C::UserNotFound, C::NotOwner]),
        }
        codes
    }
}

/// Who asks, by a token that was believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) user: UserId,
    /// What the user is worth in the token's session; `None` when the account is gone.
    pub(crate) standing: Option<Standing>,
    /// The user of the path's `{id}`, where it names one.
    pub(crate) of_path: Option<UserId>,
}

/// The role in which somebody may use a route, or why they may not.
///
/// # Errors
/// One of the access's [`refusals`](Access::refusals). `NotOwner` tells an admin that there is such
/// a user: whoever answers with it has to make sure.
pub(crate) fn decide(
    access: Access,
    asking: Asking,
    settings: &Settings,
) -> Result<Role, ErrorCode> {
    let standing = asking.standing.filter(|standing| standing.status == UserStatus::Active);
    let standing = standing.ok_or(ErrorCode::AccountInactive)?;
    if !standing.session_lives {
        return Err(ErrorCode::SessionEnded);
    }
    let is_verified = standing.email_verified || !settings.email_verification;
    let is_admin = standing.role == Role::Admin;
    let is_self = asking.of_path == Some(asking.user);
    // One's own account can be read and given up at all times.
    let needs_verification =
        access.needs_verification() && !(access == Access::SelfOrAdmin && is_self);
    if needs_verification && !is_verified {
        return Err(ErrorCode::EmailNotVerified);
    }
    let refusal = match access {
        Access::Public | Access::SignedIn | Access::User => None,
        Access::Admin => (!is_admin).then_some(ErrorCode::AdminOnly),
        Access::PackageCreator => {
            let may = is_admin || settings.package_creators == PackageCreators::Users;
            (!may).then_some(ErrorCode::AdminOnly)
        }
        Access::SelfOrAdmin => (!is_self && !is_admin).then_some(ErrorCode::UserNotFound),
        Access::Owner if is_self => None,
        Access::Owner if is_admin => Some(ErrorCode::NotOwner),
        Access::Owner => Some(ErrorCode::UserNotFound),
    };
    refusal.map_or(Ok(standing.role), Err)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::time::Duration;

    use ErrorCode as C;
    use watchme_actors::domain::EntitlementMode;

    use super::*;
    use crate::config::ThrottleConfig;

    const ALL: [Access; 7] = [
        Access::Public,
        Access::SignedIn,
        Access::User,
        Access::Admin,
        Access::SelfOrAdmin,
        Access::Owner,
        Access::PackageCreator,
    ];

    fn settings(package_creators: PackageCreators, email_verification: bool) -> Settings {
        Settings {
            listening: ([127, 0, 0, 1], 8080).into(),
            package_creators,
            email_verification,
            entitlement_mode: EntitlementMode::Any,
            self_service: true,
            throttles: ThrottleConfig::default(),
            trusted_proxies: Vec::new(),
            image_base_url: "https://image.example".parse().unwrap(),
            page_ttl: Duration::ZERO,
            replicated: false,
        }
    }

    fn standing(role: Role) -> Standing {
        Standing { role, status: UserStatus::Active, email_verified: true, session_lives: true }
    }

    /// What each access says, in the order of [`ALL`].
    fn decisions(
        standing: Option<Standing>,
        is_self: bool,
        settings: &Settings,
    ) -> [Option<ErrorCode>; 7] {
        let user = UserId::generate();
        let of_path = Some(if is_self { user } else { UserId::generate() });
        ALL.map(|access| decide(access, Asking { user, standing, of_path }, settings).err())
    }

    #[test]
    fn the_table_is_what_is_decided() {
        let usual = settings(PackageCreators::Admin, true);
        let (user, admin) = (standing(Role::User), standing(Role::Admin));
        let (only, nobody, theirs) = (Some(C::AdminOnly), Some(C::UserNotFound), Some(C::NotOwner));
        let of = |standing, is_self| decisions(Some(standing), is_self, &usual);
        assert_eq!(of(user, false), [None, None, None, only, nobody, nobody, only]);
        assert_eq!(of(user, true), [None, None, None, only, None, None, only]);
        assert_eq!(of(admin, false), [None, None, None, None, None, theirs, None]);
        assert_eq!(of(admin, true), [None; 7]);
        let open = settings(PackageCreators::Users, true);
        assert_eq!(decisions(Some(user), false, &open)[6], None);
    }

    #[test]
    fn who_has_not_verified_the_address_may_do_little_where_that_is_asked() {
        let unverified = Standing { email_verified: false, ..standing(Role::Admin) };
        let usual = settings(PackageCreators::Admin, true);
        let out = Some(C::EmailNotVerified);
        let decided = |is_self| decisions(Some(unverified), is_self, &usual);
        assert_eq!(decided(false), [None, None, out, out, out, out, out]);
        assert_eq!(decided(true), [None, None, out, out, None, out, out]);
        let off = settings(PackageCreators::Admin, false);
        assert_eq!(decisions(Some(unverified), true, &off), [None; 7]);
    }

    #[test]
    fn an_account_or_a_session_that_has_ended_may_nothing() {
        let usual = settings(PackageCreators::Users, false);
        let admin = standing(Role::Admin);
        let disabled = Standing { status: UserStatus::Disabled, session_lives: false, ..admin };
        let ended = Standing { session_lives: false, ..admin };
        for (standing, code) in [
            (None, C::AccountInactive),
            (Some(disabled), C::AccountInactive),
            (Some(ended), C::SessionEnded),
        ] {
            assert_eq!(decisions(standing, true, &usual), [Some(code); 7]);
        }
    }

    #[test]
    fn every_refusal_is_one_that_the_access_tells_of() {
        let usual = settings(PackageCreators::Admin, true);
        let unverified = Standing { email_verified: false, ..standing(Role::User) };
        let ended = Standing { session_lives: false, ..unverified };
        for standing in [None, Some(ended), Some(unverified), Some(standing(Role::User))] {
            for (access, code) in ALL.iter().zip(decisions(standing, false, &usual)) {
                let told = *access == Access::Public
                    || code.is_none_or(|code| access.refusals().contains(&code));
                assert!(told, "{access:?}: {code:?}");
            }
        }
    }
}
