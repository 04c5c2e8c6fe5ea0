//! `restante subscriber`: who may log in.
use super::{Outcome, Place, office::Office, person, table::Form};
use crate::{
    http::view::{NewPassword, NewSubscriber, SubscriberChange, SubscriberView},
    policy::Handing,
};
use clap::{
    Args, Subcommand,
    builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser},
};
use std::{error::Error, process::ExitCode};

/// Random octets of a generated password.
const PASSWORD_ENTROPY: usize = 12;

/// Add, list, show, change and remove subscribers
#[derive(Debug, Args)]
#[command(after_help = "\
Speaks to the running server; while none runs, the store in the data folder is opened directly.

Examples:
  restante subscriber add alice --password wonder
  restante subscriber add sip:bob@example.com        a password is made up and printed
  restante subscriber show alice                     where is she logged in?
  restante subscriber set alice --handing hold       her messages wait until she asks for them
  restante subscriber set alice --class gold         her mailbox has the limits of class `gold`
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
        /// The class of service of the mailbox, one of `[deferred.classes]`
        #[arg(long, value_name = "NAME")]
        class: Option<String>,
        /// How what waits is handed over
        #[arg(long, default_value = Handing::Deliver.as_str(), value_parser = handings())]
        handing: Handing,
    },
    /// Change the settings of a subscriber; what is not named stays as it is
    Set {
        /// The subscriber
        user: String,
        #[command(flatten)]
        change: Change,
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

/// What is to be changed.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Change {
    /// Whether messages are kept while the subscriber is away
    #[arg(long, value_name = "yes|no", value_parser = BoolishValueParser::new())]
    deferral: Option<bool>,
    /// The class of service of the mailbox, one of `[deferred.classes]`, or `default`
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// How what waits is handed over: at once, only when a device asks, or so but announced
    #[arg(long, value_parser = handings())]
    handing: Option<Handing>,
}

/// Reads a way of handing over, and tells which there are.
fn handings() -> impl TypedValueParser<Value = Handing> {
    PossibleValuesParser::new(Handing::ALL.map(Handing::as_str))
        .try_map(|name| name.parse::<Handing>())
}

pub(super) fn run(place: &Place, arguments: Arguments) -> Outcome {
    let office = Office::open(&place.load()?)?;
    match arguments.action {
        Action::Add {
            user,
            password,
            no_deferral,
            class,
            handing,
        } => {
            let password = Password::given_or_made(password)?;
            let added = office.add_subscriber(NewSubscriber {
                address: person::parse(&user)?.to_string(),
                password: password.text.clone(),
                deferral: !no_deferral,
                class,
                handing,
            })?;
            println!("added {}", added.address);
            password.tell_if_made();
        }
        Action::Set { user, change } => {
            let change = SubscriberChange {
                deferral: change.deferral,
                class: change.class,
                handing: change.handing,
            };
            let changed = office.change_subscriber(&person::parse(&user)?, change)?;
            println!("{}", described(&changed));
        }
        Action::List { form } => {
            let heading = ["ADDRESS", "DEFERRAL", "CLASS", "HANDING", "CREATED"];
            form.print(&office.subscribers()?.items, heading, |subscriber| {
                [
                    subscriber.address.clone(),
                    yes_or_no(subscriber.deferral).to_owned(),
                    subscriber.class.clone(),
                    subscriber.handing.to_string(),
                    subscriber.created.clone(),
                ]
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
        format!("deferral  {}", yes_or_no(subscriber.deferral)),
        format!("class     {}", subscriber.class),
        format!("handing   {}", subscriber.handing),
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

fn yes_or_no(said: bool) -> &'static str {
    if said { "yes" } else { "no" }
}
