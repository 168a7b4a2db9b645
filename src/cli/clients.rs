//! `downpour clients`: how clients retry, as this program knows it.

use downpour_core::suggest::did_you_mean;
use downpour_core::toml_file::TomlError;
use downpour_load::client::ClientModels;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

/// The largest file that is read as client models.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// List how clients retry, or show one client's table with its sources.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "In the list, tries is the number of attempts at one download. A retry begins at
the start (it requests the redirect again) or at the hop that failed. Waits are
in seconds; a range is a random wait.

Examples:
  downpour clients
  downpour clients cargo
  downpour clients --client-file ours.toml")]
pub(crate) struct ClientsArgs {
    /// Print the table of this client
    ///
    /// You can copy it into a file and change it.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Read further clients from this TOML file
    ///
    /// Without a NAME, the file is checked and its clients are listed.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_file: Option<PathBuf>,
}

/// Why clients can't be told about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientsError {
    /// The file can't be read.
    #[error("read --client-file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is larger than any set of models.
    #[error("read --client-file {}: it is larger than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is wrong.
    #[error(transparent)]
    Mistake(#[from] TomlError),
    /// There is no such client.
    #[error("{name:?} is not a known client{meant}; known clients are {known}; --client-file adds others")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What was meant, if anything looks alike.
        meant: String,
        /// What there is.
        known: String,
    },
    /// The result can't be written.
    #[error("print the result")]
    Write(#[from] io::Error),
}

impl ClientsError {
    /// That there is no client of that name.
    pub(super) fn unknown(name: &str, models: &ClientModels) -> Self {
        Self::Unknown {
            name: name.to_owned(),
            meant: did_you_mean(name, models.families().into_keys().chain(models.names()).chain(["auto"])),
            known: models.names().collect::<Vec<_>>().join(", "),
        }
    }

    /// Whether the message goes on after "failed to".
    pub(super) const fn reads_after_failed_to(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::TooLarge { .. } | Self::Write(_))
    }

    /// Whether what was typed is wrong, and not the machine.
    pub(super) const fn is_configuration(&self) -> bool {
        !matches!(self, Self::Write(_))
    }
}

/// Writes the list, one client's table, or what came of a file.
pub(crate) fn run(args: &ClientsArgs, out: &mut dyn Write) -> Result<(), ClientsError> {
    let own = args.client_file.as_ref().map(|path| Ok::<_, ClientsError>((path, load(path)?))).transpose()?;
    let (name, models) = match (&args.name, own) {
        (None, None) => {
            write!(out, "{}", ClientModels::built_in())?;
            return Ok(out.flush()?);
        }
        (None, Some((path, own))) => {
            let count = own.names().count();
            let clients = if count == 1 { "client" } else { "clients" };
            writeln!(out, "{}: {count} {clients}, no mistakes\n\n{own}", path.display())?;
            return Ok(out.flush()?);
        }
        (Some(name), None) => (name, ClientModels::built_in()),
        (Some(name), Some((_, own))) => (name, ClientModels::built_in().and(own)),
    };
    let table = models.table(name).ok_or_else(|| ClientsError::unknown(name, &models))?;
    writeln!(out, "{table}")?;
    Ok(out.flush()?)
}

pub(super) fn load(path: &Path) -> Result<ClientModels, ClientsError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => Err(ClientsError::TooLarge { path: path.to_owned() }),
        Ok(_) => Ok(ClientModels::parse(&text, &path.display().to_string())?),
        Err(source) => Err(ClientsError::Read { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn clients(name: Option<&str>, file: Option<&Path>) -> Result<String, ClientsError> {
        let args = ClientsArgs { name: name.map(str::to_owned), client_file: file.map(Path::to_owned) };
        let mut out = Vec::new();
        run(&args, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn clients_are_listed_and_shown_with_their_sources() {
        let list = clients(None, None).unwrap();
        assert!(list.contains("\ncargo-1.70 ") && list.contains("\npip "), "{list}");
        let table = clients(Some("cargo-1.70"), None).unwrap();
        assert!(table.starts_with("[[client]]\nname = \"cargo-1.70\""), "{table}");
        assert!(table.contains("retry.rs") && !table.contains("cargo-1.89"), "{table}");
    }

    #[test]
    fn a_family_is_its_newest_client() {
        assert_eq!(clients(Some("cargo"), None).unwrap(), clients(Some("cargo-1.89"), None).unwrap());
        assert!(clients(None, None).unwrap().contains("\ncargo         means cargo-1.89, the newest one\n"));
        let error = clients(Some("carog"), None).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "\"carog\" is not a known client (did you mean cargo?); known clients are none, "
            ),
            "{error}"
        );
    }

    #[test]
    fn what_is_shown_is_a_start_for_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.toml");
        let table = clients(Some("npm"), None).unwrap().replace("\"npm\"", "\"impatient\"");
        fs::write(&path, &table).unwrap();
        assert_eq!(clients(Some("impatient"), Some(&path)).unwrap(), table);
        let told = clients(None, Some(&path)).unwrap();
        assert!(told.starts_with(&format!("{}: 1 client, no mistakes\n\n", path.display())), "{told}");
        assert!(told.contains("\nimpatient ") && !told.contains("\nnpm "), "{told}");
        fs::write(&path, vec![b'#'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1]).unwrap();
        assert!(matches!(clients(None, Some(&path)), Err(ClientsError::TooLarge { .. })));
    }
}
