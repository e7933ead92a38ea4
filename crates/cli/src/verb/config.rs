mod edit;
mod value;

use coracle_daemon_api::{ErrorCode, Setting, SettingChange, SettingsChanged};
use serde_json::Value;

use crate::failure::Failure;
use crate::launch;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  coracle config list\n  coracle config set vm.memory_mib 8192\n  coracle config edit"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print one setting
    #[command(after_help = "Example:\n  coracle config get vm.cpus")]
    Get {
        /// Name of the setting
        key: String,
    },
    /// Change one setting
    #[command(
        after_help = "Example:\n  coracle config set vm.cpus 4\n  coracle config set shares /home/me /srv/code\n  coracle config set vm.cpus null    # back to the default"
    )]
    Set {
        /// Name of the setting
        key: String,
        /// New value: JSON, else text; several for a list; null for the default
        #[arg(required = true, allow_negative_numbers = true)]
        value: Vec<String>,
    },
    /// Print all settings; * marks those that are not at their default
    #[command(after_help = "Example:\n  coracle config list --json")]
    List,
    /// Edit all settings in $VISUAL or $EDITOR
    #[command(after_help = "Example:\n  EDITOR=nano coracle config edit")]
    Edit,
}

/// Settings belong to the daemon: it is started, the VM is not.
pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    launch::ensure_daemon(session).await?;
    let settings = session.client.settings().await?;
    match &args.action {
        Action::Get { key } => {
            let setting = find(&settings, key)?;
            if session.output.json {
                session.output.json_document(setting)?;
            } else {
                session.output.line(&shown(&setting.value))?;
            }
        }
        Action::Set { key, value } => {
            let change = SettingChange {
                key: key.clone(),
                value: value::from_words(find(&settings, key)?, value),
            };
            let changed = session.client.change(&[change]).await?;
            report(session, &changed)?;
        }
        Action::List if session.output.json => session.output.json_document(&settings)?,
        Action::List => session.output.line(&list(&settings))?,
        Action::Edit => edit::run(session, &settings).await?,
    }
    Ok(0)
}

fn find<'a>(settings: &'a [Setting], key: &str) -> Result<&'a Setting, Failure> {
    settings
        .iter()
        .find(|setting| setting.key == key)
        .ok_or_else(|| {
            Failure::new(
                ErrorCode::InvalidInput,
                format!("there is no setting {key:?}: `coracle config list` shows all"),
            )
        })
}

fn report(session: &Session, changed: &SettingsChanged) -> Result<(), Failure> {
    if session.output.json {
        return session.output.json_document(changed);
    }
    if changed.changed.is_empty() {
        return session.output.line("Nothing changed.");
    }
    for setting in &changed.changed {
        session
            .output
            .line(&format!("{} = {}", setting.key, shown(&setting.value)))?;
    }
    if changed.restart_needed {
        session
            .output
            .line("The VM takes it up at its next start: `coracle restart`.")?;
    }
    Ok(())
}

fn list(settings: &[Setting]) -> String {
    let width = settings.iter().map(|setting| setting.key.len()).max();
    let lines: Vec<String> = settings
        .iter()
        .map(|setting| {
            let mark = if setting.value == setting.default {
                ' '
            } else {
                '*'
            };
            format!(
                "{mark} {:<width$} = {}\n    {}",
                setting.key,
                shown(&setting.value),
                setting.description,
                width = width.unwrap_or_default()
            )
        })
        .collect();
    lines.join("\n")
}

/// Text as it is, everything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
