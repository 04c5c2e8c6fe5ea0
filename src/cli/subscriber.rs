//! `restante subscriber`: who may log in.
use super::{Outcome, Place, office::Office, person, table::Form};
use crate::http::view::{NewPassword, NewSubscriber, SubscriberView};
use clap::{Args, Subcommand};
use std::{error::Error, process::ExitCode};

/// Random octets of a generated password.
const PASSWORD_ENTROPY: usize = 12;

/// Add, list, show and remove subscribers
#[derive(Debug, Args)]
#[command(after_help = "\
Speaks to the running server; while none runs, the store in the data folder is opened directly.

Examples:
  restante subscriber add alice --password wonder
  restante subscriber add sip:bob@example.com        a password is made up and printed
  restante subscriber show alice                     where is she logged in?
  restante subscriber list --json")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a subscriber
    Add {
        /// `alice`, `alice@example.com`, or a sip: or tel: URI
        user: String,
        /// The password; without it one is made up and printed
        #[arg(long, env = "RESTANTE_PASSWORD", hide_env_values = true)]
        password: Option<String>,
        /// Do not keep messages while the subscriber is away
        #[arg(long)]
        no_deferral: bool,
    },
    /// List all subscribers
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Show one subscriber and where they are logged in
    Show {
        /// The subscriber
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Remove a subscriber; what waits for them stays until it expires or is purged
    Remove {
        /// The subscriber
        user: String,
    },
    /// Change a password
    SetPassword {
        /// The subscriber
        user: String,
        /// The new password; without it one is made up and printed
        #[arg(long, env = "RESTANTE_PASSWORD", hide_env_values = true)]
        password: Option<String>,
    },
}

pub(super) fn run(place: &Place, arguments: Arguments) -> Outcome {
    let office = Office::open(&place.load()?)?;
    match arguments.action {
        Action::Add {
            user,
            password,
            no_deferral,
        } => add(&office, &user, password, !no_deferral)?,
        Action::List { form } => {
            let heading = ["ADDRESS", "DEFERRAL", "CREATED"];
            form.print(&office.subscribers()?, heading, |subscriber| {
                let deferral = if subscriber.deferral { "yes" } else { "no" };
                let created = subscriber.created.clone();
                [subscriber.address.clone(), deferral.into(), created]
            })?;
        }
        Action::Show { user, form } => {
            let subscriber = office.subscriber(&person::parse(&user)?)?;
            form.print_one(&subscriber, &described(&subscriber))?;
        }
        Action::Remove { user } => {
            let removed = office.remove_subscriber(&person::parse(&user)?)?;
            println!("removed {}", removed.address);
        }
        Action::SetPassword { user, password } => {
            let password = Password::given_or_made(password)?;
            let new = NewPassword {
                password: password.text.clone(),
            };
            let changed = office.set_password(&person::parse(&user)?, new)?;
            println!("changed the password of {}", changed.address);
            password.tell_if_made();
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn add(
    office: &Office,
    user: &str,
    password: Option<String>,
    deferral: bool,
) -> Result<(), Box<dyn Error>> {
    let password = Password::given_or_made(password)?;
    let added = office.add_subscriber(NewSubscriber {
        address: person::parse(user)?.to_string(),
        password: password.text.clone(),
        deferral,
    })?;
    println!("added {}", added.address);
    password.tell_if_made();
    Ok(())
}

/// A password, and whether it was made up here.
struct Password {
    text: String,
    made: bool,
}

impl Password {
    fn given_or_made(given: Option<String>) -> Result<Self, Box<dyn Error>> {
        if let Some(text) = given {
            return Ok(Self { text, made: false });
        }
        let mut octets = [0; PASSWORD_ENTROPY];
        getrandom::fill(&mut octets)?;
        let text = hex::encode(octets);
        Ok(Self { text, made: true })
    }

    fn tell_if_made(&self) {
        if self.made {
            println!("password {}", self.text);
        }
    }
}

fn described(subscriber: &SubscriberView) -> String {
    let mut lines = vec![
        format!("address   {}", subscriber.address),
        format!(
            "deferral  {}",
            if subscriber.deferral { "yes" } else { "no" }
        ),
        format!("created   {}", subscriber.created),
    ];
    if subscriber.bindings.is_empty() {
        lines.push("offline".into());
    }
    for binding in &subscriber.bindings {
        lines.push(format!(
            "online    {} until {}",
            binding.contact, binding.expires
        ));
    }
    lines.join("\n")
}
