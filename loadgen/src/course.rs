//! What a run is to do: one scenario of the command line, or the phases of a scenario file.
use crate::{
    args::{Arguments, Chosen, Command, Load, Options, Output, Server},
    plan::{Part, Plan},
    scenario::Scenario,
};
use clap::{Args, Parser};
use std::{collections::BTreeSet, fs, path::Path};
use toml::{Table, Value};

/// Keys of a file that are no options.
const NAME: &str = "name";
const SCENARIO: &str = "scenario";
const PHASE: &str = "phase";

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Course {
    /// What it is called.
    pub name: String,
    /// Which server, and what is told where.
    pub options: Options,
    /// What is done, in this order.
    pub stages: Vec<Stage>,
}

/// One scenario of a run.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What it is called, where there are several.
    pub name: Option<String>,
    /// What is done.
    pub scenario: Scenario,
    /// How much of it.
    pub load: Load,
}

impl Course {
    /// One scenario.
    pub fn of(chosen: &Chosen) -> Self {
        let (scenario, options) = (chosen.scenario(), chosen.options().clone());
        Self {
            name: scenario.name().to_owned(),
            stages: vec![Stage {
                name: None,
                scenario,
                load: options.load.clone(),
            }],
            options,
        }
    }

    /// The phases of the file at `path`; `options` of the command line come before those of it.
    ///
    /// Errors: a sentence for the user that names the file, the phase and the key.
    pub fn read(path: &Path, options: &[String]) -> Result<Self, String> {
        let wrong = |why: String| format!("{}: {why}", path.display());
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy());
        let name = stem.unwrap_or_default();
        Self::parse(&name, &text, options).map_err(wrong)
    }

    fn parse(name: &str, text: &str, options: &[String]) -> Result<Self, String> {
        let mut table: Table = text.parse().map_err(|error| format!("{error}"))?;
        let phases = match table.remove(PHASE) {
            Some(Value::Array(phases)) if !phases.is_empty() => phases,
            _ => return Err("there is no [[phase]] in it".to_owned()),
        };
        let name = take_text(&mut table, NAME)?.unwrap_or_else(|| name.to_owned());
        let known = keys::<Load>();
        let of_run = &keys::<Server>() | &keys::<Output>();
        for key in table.keys() {
            refuse_unknown(key, &(&known | &of_run))?;
        }
        let common = arguments(&table)?;
        let mut stages = Vec::new();
        let mut last = None;
        for (index, phase) in phases.into_iter().enumerate() {
            let number = index + 1;
            let wrong = |why: String| format!("phase {number}: {why}");
            let Value::Table(mut phase) = phase else {
                return Err(wrong("is no table".to_owned()));
            };
            let scenario = take_text(&mut phase, SCENARIO).map_err(wrong)?;
            let scenario = scenario.ok_or_else(|| wrong("has no `scenario`".to_owned()))?;
            let title = take_text(&mut phase, NAME).map_err(wrong)?;
            for key in phase.keys() {
                if of_run.contains(key) {
                    let advice = "is for the whole run: put it above the first [[phase]]";
                    return Err(wrong(format!("`{key}` {advice}")));
                }
                refuse_unknown(key, &known).map_err(wrong)?;
            }
            let mut line = vec!["loadgen".to_owned(), scenario.clone()];
            line.extend(common.iter().cloned());
            line.extend(arguments(&phase).map_err(wrong)?);
            line.extend(options.iter().cloned());
            let chosen = chosen(&line).map_err(wrong)?;
            stages.push(Stage {
                name: Some(title.unwrap_or_else(|| format!("{number} {scenario}"))),
                scenario: chosen.scenario(),
                load: chosen.options().load.clone(),
            });
            last = Some(chosen.options().clone());
        }
        let options = last.ok_or("there is no [[phase]] in it")?;
        Ok(Self {
            name,
            options,
            stages,
        })
    }

    /// The load of all stages, with `drawn` as seed where none is given. A stage that only
    /// retrieves has none of its own, unless it is alone.
    ///
    /// Errors: a sentence for the user if a stage makes no sense.
    pub fn plan(&self, drawn: u64) -> Result<Plan, String> {
        let parts: Result<Vec<Part>, String> = self
            .stages
            .iter()
            .map(|stage| {
                let mut part = stage.load.part(stage.scenario);
                if let (Ok(part), Scenario::Retrieve, false) =
                    (&mut part, stage.scenario, self.stages.len() == 1)
                {
                    part.messages = 0;
                }
                part.map_err(|why| match &stage.name {
                    Some(name) => format!("phase `{name}`: {why}"),
                    None => why,
                })
            })
            .collect();
        Ok(Plan {
            seed: self.options.server.seed.unwrap_or(drawn),
            parts: parts?,
        })
    }

    /// Whether every receiver had the chance to get everything when it is over.
    pub fn is_retrieved(&self) -> bool {
        let scenarios = || self.stages.iter().map(|stage| stage.scenario);
        let sends = scenarios().rposition(Scenario::sends);
        let retrieves = scenarios().rposition(Scenario::is_retrieved);
        retrieves.is_some() && retrieves >= sends
    }

    /// How messages travel.
    pub fn modes(&self) -> String {
        let sends = self.stages.iter().filter(|stage| stage.scenario.sends());
        let modes = sends.map(|stage| stage.load.mode(stage.scenario).name());
        let modes: BTreeSet<&str> = modes.collect();
        modes.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// What sets the pace.
    pub fn paces(&self) -> String {
        let pace = |stage: &Stage| match (stage.load.rate, stage.load.pace(1).window) {
            (Some(rate), _) => format!("{rate} by schedule"),
            (None, window) => format!("{window} clients at a time"),
        };
        let paces: BTreeSet<String> = self.stages.iter().map(pace).collect();
        paces.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// Whether the server is killed now and then.
    pub fn is_killed(&self) -> bool {
        self.options.server.kill_server_every.is_some()
    }
}

/// The options' names of a group of them.
fn keys<T: Args>() -> BTreeSet<String> {
    let command = T::augment_args(clap::Command::new("keys"));
    let names = command.get_arguments().flat_map(|argument| {
        let aliases = argument.get_visible_aliases().unwrap_or_default();
        argument.get_long().into_iter().chain(aliases)
    });
    names.map(str::to_owned).collect()
}

fn refuse_unknown(key: &str, known: &BTreeSet<String>) -> Result<(), String> {
    if known.contains(key) {
        return Ok(());
    }
    let meant = key.replace('_', "-");
    Err(match known.contains(&meant) {
        true => format!("there is no key `{key}`: write `{meant}`"),
        false => {
            format!("there is no key `{key}`: each is an option of `loadgen {{scenario}} --help`")
        }
    })
}

fn take_text(table: &mut Table, key: &str) -> Result<Option<String>, String> {
    match table.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{key}` is no text")),
    }
}

/// The keys as options of a command line.
fn arguments(table: &Table) -> Result<Vec<String>, String> {
    let mut arguments = Vec::new();
    for (key, value) in table {
        match value {
            Value::Boolean(true) => arguments.push(format!("--{key}")),
            Value::Boolean(false) => {}
            Value::Array(values) => {
                let values: Result<Vec<String>, String> =
                    values.iter().map(|value| word(key, value)).collect();
                arguments.push(format!("--{key}={}", values?.join(",")));
            }
            value => arguments.push(format!("--{key}={}", word(key, value)?)),
        }
    }
    Ok(arguments)
}

fn word(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => Err(format!("`{key}` is neither a text nor a number")),
    }
}

fn chosen(line: &[String]) -> Result<Chosen, String> {
    let arguments = Arguments::try_parse_from(line).map_err(|error| {
        let text = error.to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        first.trim_start_matches("error: ").replace('\n', " ")
    })?;
    match arguments.command {
        Command::Scenario(chosen) => Ok(chosen),
        _ => Err(format!("`{}` is no scenario", line[1])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parse(text: &str) -> Result<Course, String> {
        Course::parse("test", text, &[])
    }

    #[test]
    fn phases_take_what_stands_above_them_and_say_more() {
        let course = parse(
            r#"
            name = "morning"
            users = 40
            tcp = true
            local = ["127.0.0.2", "127.0.0.3"]
            size = "1KiB"
            [[phase]]
            scenario = "offline-send"
            rate = "50/s"
            duration = "10s"
            [[phase]]
            name = "login"
            scenario = "retrieve"
            size = "2KiB"
            "#,
        )
        .unwrap();
        assert_eq!(course.name, "morning");
        assert!(course.options.server.tcp && !course.options.output.quiet);
        assert_eq!(course.options.server.local.0.len(), 2);
        let [first, second] = course.stages.as_slice() else {
            panic!("{:?}", course.stages)
        };
        assert_eq!(first.name.as_deref(), Some("1 offline-send"));
        assert_eq!(first.load.duration, Some(Duration::from_secs(10)));
        assert_eq!(second.name.as_deref(), Some("login"));
        assert_eq!((second.load.users, second.load.duration), (40, None));
        assert_eq!(second.load.size, "2KiB".parse().ok());
        let plan = course.plan(7).unwrap();
        assert_eq!((plan.seed, plan.parts.len()), (7, 2));
        assert_eq!((plan.parts[1].messages, plan.users()), (0, 40));
    }

    #[test]
    fn options_of_the_command_line_come_first() {
        let text = "users = 40\n[[phase]]\nscenario = \"pager\"\nusers = 30";
        let options = ["--users".to_owned(), "20".to_owned(), "-q".to_owned()];
        let course = Course::parse("test", text, &options).unwrap();
        assert_eq!(course.stages[0].load.users, 20);
        assert!(course.options.output.quiet);
    }

    #[test]
    fn unknown_keys_and_values_are_refused_by_name() {
        let phase = "\n[[phase]]\nscenario = \"pager\"\n";
        for (text, wanted) in [
            (format!("usres = 5{phase}"), "no key `usres`"),
            (
                format!("{phase}usres = 5"),
                "phase 1: there is no key `usres`",
            ),
            (format!("group_size = 5{phase}"), "write `group-size`"),
            (
                format!("{phase}threads = 2"),
                "`threads` is for the whole run",
            ),
            (
                format!("{phase}users = \"many\""),
                "phase 1: invalid value 'many' for '--users",
            ),
            (format!("{phase}[phase.users]\nx = 1"), "`users` is neither"),
            ("users = 5".to_owned(), "no [[phase]]"),
            (
                "[[phase]]\nusers = 5".to_owned(),
                "phase 1: has no `scenario`",
            ),
            ("[[phase]]\nscenario = \"judge\"".to_owned(), "phase 1:"),
            ("[[phase]]\nscenario = \"dance\"".to_owned(), "'dance'"),
        ] {
            let refused = parse(&text).unwrap_err();
            assert!(refused.contains(wanted), "{text}: {refused}");
        }
    }

    #[test]
    fn every_option_of_a_scenario_is_a_key() {
        let all = &(&keys::<Load>() | &keys::<Server>()) | &keys::<Output>();
        let options = keys::<Options>();
        assert_eq!(all, options);
        for key in ["users", "requests", "churn", "kill-server-every", "json"] {
            assert!(options.contains(key), "{key}");
        }
    }

    #[test]
    fn scenarios_that_come_with_the_program_are_understood() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let files: Vec<_> = files.collect();
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            Course::read(&file, &[]).unwrap().plan(1).unwrap();
        }
    }
}
