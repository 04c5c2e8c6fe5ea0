//! `restante group`: groups with an address of their own, and who belongs to them.
use super::{Outcome, Place, office::Office, person, table::Form};
use crate::{
    controlling::{Absent, Senders},
    http::view::{GroupChange, GroupView, NewGroup, NewMember},
};
use clap::{
    Args, Subcommand,
    builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser},
};
use std::{error::Error, process::ExitCode};

/// Add, list, show, change and delete groups
#[derive(Debug, Args)]
#[command(after_help = "\
Speaks to the running server; while none runs, the store in the data folder is opened directly.

Examples:
  restante group add team alice bob carol --subject Lunch
  restante group show team                           who belongs to it?
  restante group join team dave sip:erin@b.example   members may be users of other servers
  restante group leave team bob
  restante group set team --senders owner --owner alice
  restante group list --json")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a group
    Add {
        /// `team`, `team@example.com`, or a sip: URI
        group: String,
        /// Who belongs to it
        members: Vec<String>,
        #[command(flatten)]
        rules: Rules,
    },
    /// Change a group; what is not named stays as it is
    Set {
        /// The group
        group: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// List all groups
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Show one group and who belongs to it
    Show {
        /// The group
        group: String,
        #[command(flatten)]
        form: Form,
    },
    /// Let others belong to a group too
    Join {
        /// The group
        group: String,
        /// Who
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Let some belong to a group no more
    Leave {
        /// The group
        group: String,
        /// Who
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Delete a group; what waits for its members stays
    Delete {
        /// The group
        group: String,
    },
}

/// What is kept of a group besides its members.
#[derive(Debug, Args)]
struct Rules {
    /// What it is about; empty for nothing in particular
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Whose it is; empty for nobody's
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// Who may send to it
    #[arg(long, value_parser = senders())]
    senders: Option<Senders>,
    /// What becomes of the copies of members who are away
    #[arg(long, value_parser = absent())]
    absent: Option<Absent>,
    /// Whether one who is no member becomes one by calling it
    #[arg(long, value_name = "yes|no", value_parser = BoolishValueParser::new())]
    open: Option<bool>,
}

fn senders() -> impl TypedValueParser<Value = Senders> {
    PossibleValuesParser::new(Senders::ALL.map(Senders::as_str))
        .try_map(|word| word.parse::<Senders>())
}

fn absent() -> impl TypedValueParser<Value = Absent> {
    PossibleValuesParser::new(Absent::ALL.map(Absent::as_str))
        .try_map(|word| word.parse::<Absent>())
}

pub(super) fn run(place: &Place, arguments: Arguments) -> Outcome {
    let office = Office::open(&place.load()?)?;
    match arguments.action {
        Action::Add {
            group,
            members,
            rules,
        } => add(&office, &group, &members, rules)?,
        Action::Set { group, rules } => {
            let change = GroupChange {
                owner: rules.owner()?,
                subject: rules.subject,
                senders: rules.senders,
                absent: rules.absent,
                open: rules.open,
            };
            if change == GroupChange::default() {
                return Err("nothing to change: name what, `restante group set --help`".into());
            }
            let changed = office.change_group(&person::parse(&group)?, change)?;
            println!("{}", described(&changed));
        }
        Action::List { form } => list(&office, form)?,
        Action::Show { group, form } => {
            let group = office.group(&person::parse(&group)?)?;
            form.print_one(&group, &described(&group))?;
        }
        Action::Join { group, members } => {
            let group = person::parse(&group)?;
            let changed = office.join_group(&group, new_members(&members)?)?;
            println!("{} has {} members", changed.address, changed.size);
        }
        Action::Leave { group, members } => {
            let group = person::parse(&group)?;
            for member in &members {
                let changed = office.leave_group(&group, &person::parse(member)?)?;
                println!("{} has {} members", changed.address, changed.size);
            }
        }
        Action::Delete { group } => {
            let deleted = office.remove_group(&person::parse(&group)?)?;
            println!("deleted {}", deleted.address);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn add(
    office: &Office,
    group: &str,
    members: &[String],
    rules: Rules,
) -> Result<(), Box<dyn Error>> {
    let new = NewGroup {
        address: person::parse(group)?.to_string(),
        owner: rules.owner()?.filter(|owner| !owner.is_empty()),
        members: new_members(members)?,
        subject: rules.subject,
        senders: rules.senders,
        absent: rules.absent,
        open: rules.open.unwrap_or_default(),
    };
    let added = office.add_group(new)?;
    println!("added {} with {} members", added.address, added.size);
    Ok(())
}

fn list(office: &Office, form: Form) -> Result<(), Box<dyn Error>> {
    let heading = [
        "ADDRESS", "MEMBERS", "SENDERS", "ORIGIN", "OWNER", "SUBJECT",
    ];
    form.print(&office.groups()?.items, heading, |group| {
        [
            group.address.clone(),
            group.size.to_string(),
            group.senders.to_string(),
            group.origin.clone(),
            group.owner.clone().unwrap_or_else(|| "-".to_owned()),
            group.subject.clone().unwrap_or_default(),
        ]
    })?;
    Ok(())
}

impl Rules {
    /// The owner as a full address; empty where nobody shall be it.
    fn owner(&self) -> Result<Option<String>, Box<dyn Error>> {
        match self.owner.as_deref() {
            None => Ok(None),
            Some("") => Ok(Some(String::new())),
            Some(user) => Ok(Some(person::parse(user)?.to_string())),
        }
    }
}

fn new_members(members: &[String]) -> Result<Vec<NewMember>, Box<dyn Error>> {
    let mut new = Vec::with_capacity(members.len());
    for member in members {
        new.push(NewMember {
            address: person::parse(member)?.to_string(),
            display_name: None,
        });
    }
    Ok(new)
}

fn described(group: &GroupView) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut lines = vec![
        format!("address  {}", group.address),
        format!("subject  {}", or_none(&group.subject)),
        format!("owner    {}", or_none(&group.owner)),
        format!("senders  {}", group.senders),
        format!("absent   {}", group.absent),
        format!("open     {}", if group.open { "yes" } else { "no" }),
        format!("origin   {}", group.origin),
        format!("created  {}", group.created),
        format!("used     {}", group.used),
    ];
    for member in group.members.iter().flatten() {
        let name = member.display_name.iter();
        let name: String = name.map(|name| format!("  ({name})")).collect();
        lines.push(format!("member   {}{name}", member.address));
    }
    lines.join("\n")
}
