use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  source <(coracle completion bash)\n  coracle completion zsh > ~/.zfunc/_coracle\n  coracle completion fish > ~/.config/fish/completions/coracle.fish"
)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Target,
}

/// The shells that are looked after.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Target {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<u8, Failure> {
    let shell = match args.shell {
        Target::Bash => Shell::Bash,
        Target::Zsh => Shell::Zsh,
        Target::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut offered(), "coracle", &mut script);
    output.bytes(&script)?;
    Ok(0)
}

/// The command without its hidden verbs: clap_complete would offer them.
fn offered() -> Command {
    let all = Cli::command();
    let verbs = all.get_subcommands().filter(|verb| !verb.is_hide_set());
    Command::new("coracle")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(all.get_arguments().cloned())
        .subcommands(verbs.cloned())
}
