//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::scenario::{self, Files, Scenario};
use crate::subjects::{self, Entry, BARE};

const HELP: &str = "\
Measures equipment-log, its peers and the bare write(2) in turn, and prints the medians as Markdown.

    --rounds N      how many times each is measured [11]
    --quick         a short run that shows that everything works; its figures mean nothing
    --scaling       1 to 32 threads instead, one file and one each
    --check         list the targets, and fail where one is missed
    --plot FILE     write the chart as SVG
    --dir DIR       the disk to write to [the current directory]
    --only TEXT     only those with TEXT in their name, and the bare write
    --scenario TEXT only scenarios with TEXT in their name";

pub struct Options {
    pub rounds: usize,
    pub scaling: bool,
    pub check: bool,
    pub plot: Option<PathBuf>,
    pub dir: PathBuf,
    quick: bool,
    only: String,
    scenario: String,
}

impl Options {
    pub fn from_args() -> Result<Self, String> {
        Self::parse().map_err(|e| format!("{e}\n\n{HELP}"))
    }

    fn parse() -> Result<Self, lexopt::Error> {
        let mut options = Self {
            rounds: 11,
            scaling: false,
            check: false,
            plot: None,
            dir: ".".into(),
            quick: false,
            only: String::new(),
            scenario: String::new(),
        };
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            match arg {
                Long("rounds") => options.rounds = args.value()?.parse()?,
                Long("quick") => {
                    options.quick = true;
                    options.rounds = 1;
                }
                Long("scaling") => options.scaling = true,
                Long("check") => options.check = true,
                Long("plot") => options.plot = Some(args.value()?.into()),
                Long("dir") => options.dir = args.value()?.into(),
                Long("only") => options.only = args.value()?.string()?,
                Long("scenario") => options.scenario = args.value()?.string()?,
                Long("help") => {
                    println!("{HELP}");
                    std::process::exit(0);
                }
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(options)
    }

    pub fn scenarios(&self) -> Vec<Scenario> {
        let sized = |scenario: Scenario| if self.quick { scenario.quick() } else { scenario };
        let mut all = scenario::ALL.to_vec();
        if self.scaling {
            all = scenario::scaling(Files::One);
            all.extend(scenario::scaling(Files::OneEach).into_iter().skip(1));
        }
        all.into_iter().filter(|s| s.name().contains(&self.scenario)).map(sized).collect()
    }

    pub fn entries(&self) -> Vec<&'static Entry> {
        subjects::ALL
            .iter()
            .filter(|entry| entry.name == BARE || entry.name.contains(&self.only))
            .filter(|entry| !self.scaling || entry.scales)
            .collect()
    }
}
