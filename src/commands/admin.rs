//! `watchme admin`: accounts of operators.

use std::io::{self, Write};

use watchme_actors::{
    domain::{Email, PersonName, Role},
    ports::{AccountError, NewAccount},
};

use zeroize::Zeroizing;

use super::{TaskError, TaskPorts};
use crate::{auth::Password, config::Secret, data_dir::random_password};

/// Makes an admin. A password that is made here is shown once, and nowhere else.
pub(super) async fn create(
    ports: &TaskPorts,
    email: &Email,
    name: &PersonName,
    password_stdin: bool,
    out: &mut dyn Write,
) -> Result<(), TaskError> {
    let chosen = if password_stdin { Some(read_password()?) } else { None };
    let text = chosen.clone().unwrap_or_else(|| Secret::new(random_password()));
    let password = Password::for_account(text.expose(), email, name)?;
    let account = NewAccount {
        email: email.clone(),
        email_verified: true,
        name: name.clone(),
        role: Role::Admin,
        password_hash: ports.passwords.hash(&password).await?,
        now: ports.clock.now(),
    };
    ports.accounts.create(account, None).await.map_err(|error| match error {
        AccountError::EmailTaken => TaskError::EmailTaken(email.clone()),
        error => error.into(),
    })?;
    // In one piece: a reader that stops after the first line has the password too.
    let mut told = Zeroizing::new(format!("admin account made: {email}\n"));
    if chosen.is_none() {
        told.extend(["password: ", text.expose(), "\n"]);
    }
    out.write_all(told.as_bytes())?;
    Ok(())
}

/// One line, without its end.
fn read_password() -> io::Result<Secret> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(Secret::new(line))
}
