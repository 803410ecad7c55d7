//! Looking for the RAM loader in an installed copy of the vendor's Python package.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{LoaderError, LoaderImage};

/// How a person gets one. The image is the vendor's and cannot be shipped with this program.
pub const HOW_TO_OBTAIN: &str = "\
The RAM loader is the vendor's and is not shipped with this program. Get it once with\n\
    bl702-flash loader install\n\
which takes it out of the vendor's published Python package (bflb-mcu-tool-uart on PyPI). Without a network give it the\n\
package, or the image in it (chips/bl702/eflash_loader/eflash_loader_32m.bin): `loader install FILE`. For one run,\n\
--loader FILE does; and where the package is installed, its image is found by itself.";

/// Where the package keeps the image, below a folder of Python packages: bflb-mcu-tool, bflb-mcu-tool-uart,
/// bflb-iot-tool and bflb-iot-tool-uart install the same file.
pub const IN_PACKAGES: [&str; 2] = [
    "bflb_mcu_tool/chips/bl702/eflash_loader/eflash_loader_32m.bin",
    "bflb_iot_tool/chips/bl702/eflash_loader/eflash_loader_32m.bin",
];

/// The programs that the packages install; a link to one of them leads to its virtual environment.
const PROGRAMS: [&str; 2] = ["bflb-mcu-tool", "bflb-iot-tool"];

/// What of the process environment the search looks at.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The folder of this user's data: `XDG_DATA_HOME`, or `.local/share` in `HOME`; `LOCALAPPDATA` on Windows.
    pub data: Option<PathBuf>,
    /// `VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// Roots of the system's own Python, `/usr` and `/usr/local`.
    pub system: Vec<PathBuf>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Environment {
        let path_of =
            |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
        let home = path_of("HOME");
        let data = match cfg!(windows) {
            true => path_of("LOCALAPPDATA"),
            false => path_of("XDG_DATA_HOME").or_else(|| Some(home.as_ref()?.join(".local/share"))),
        };
        Environment {
            data,
            virtual_env: path_of("VIRTUAL_ENV"),
            home,
            path: std::env::var_os("PATH"),
            system: vec![PathBuf::from("/usr/local"), PathBuf::from("/usr")],
        }
    }

    /// Where `bl702-flash loader install` keeps the image; `None` if this user has no folder for data.
    pub fn installed(&self) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join("bl702-flash/eflash_loader_32m.bin"))
    }

    /// Roots that may hold `lib/python3*/site-packages`, the nearest first.
    fn roots(&self) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> = self.virtual_env.iter().cloned().collect();
        for folder in self.path.iter().flat_map(std::env::split_paths) {
            for program in PROGRAMS {
                // bin/bflb-mcu-tool may be a link into another environment's bin.
                if let Ok(real) = folder.join(program).canonicalize() {
                    roots.extend(real.parent().and_then(Path::parent).map(Path::to_owned));
                }
            }
        }
        if let Some(home) = &self.home {
            roots.push(home.join(".local"));
            roots.extend(children(&home.join(".local/share/pipx/venvs")));
            roots.extend(children(&home.join(".local/pipx/venvs")));
            roots.extend(children(&home.join(".pyenv/versions")));
        }
        roots.extend(self.system.iter().cloned());
        roots
    }
}

/// Files that would be taken, in order, whether they exist or not, as far as folders can be listed.
pub fn candidates(environment: &Environment) -> Vec<PathBuf> {
    // What somebody has installed on purpose comes first.
    let mut files: Vec<PathBuf> = environment.installed().into_iter().collect();
    for root in environment.roots() {
        let pythons = children(&root.join("lib")).into_iter().filter(|folder| {
            folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("python3"))
        });
        for python in pythons {
            for packages in ["site-packages", "dist-packages"] {
                files.extend(IN_PACKAGES.map(|file| python.join(packages).join(file)));
            }
        }
    }
    files.dedup();
    files
}

/// The first candidate that exists.
///
/// # Errors
/// [`LoaderError::None`] if there is none; otherwise what is wrong with it.
pub fn find(environment: &Environment) -> Result<LoaderImage, LoaderError> {
    let file = candidates(environment).into_iter().find(|file| file.is_file()).ok_or(LoaderError::None)?;
    LoaderImage::from_file(&file)
}

/// Entries of a folder in the order of their names, the last first (the newest Python); none if it cannot be listed.
fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths.reverse();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, file: &str) -> PathBuf {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"BFNP").unwrap();
        path
    }

    #[test]
    fn a_virtual_environment_comes_before_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment {
            data: Some(folder.path().join("data")),
            virtual_env: Some(folder.path().join("venv")),
            home: Some(folder.path().join("home")),
            path: None,
            system: vec![folder.path().join("usr")],
        };
        assert!(matches!(find(&environment), Err(LoaderError::None)));
        let system = put(folder.path(), &format!("usr/lib/python3/dist-packages/{}", IN_PACKAGES[1]));
        assert_eq!(candidates(&environment).iter().find(|file| file.is_file()), Some(&system));
        let home =
            put(folder.path(), &format!("home/.local/lib/python3.11/site-packages/{}", IN_PACKAGES[0]));
        assert_eq!(candidates(&environment).iter().find(|file| file.is_file()), Some(&home));
        let venv = put(folder.path(), &format!("venv/lib/python3.13/site-packages/{}", IN_PACKAGES[0]));
        assert_eq!(candidates(&environment).iter().find(|file| file.is_file()), Some(&venv));
        let installed = put(folder.path(), "data/bl702-flash/eflash_loader_32m.bin");
        assert_eq!(candidates(&environment).iter().find(|file| file.is_file()), Some(&installed));
        // Found, but four bytes are no image.
        assert!(matches!(find(&environment), Err(LoaderError::NotAnImage { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_linked_program_leads_to_its_environment() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "opt/tool/bin/bflb-iot-tool");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(
            folder.path().join("opt/tool/bin/bflb-iot-tool"),
            folder.path().join("bin/bflb-iot-tool"),
        )
        .unwrap();
        let image = put(folder.path(), &format!("opt/tool/lib/python3.12/site-packages/{}", IN_PACKAGES[1]));
        let environment =
            Environment { path: Some(folder.path().join("bin").into_os_string()), ..Environment::default() };
        let found = candidates(&environment).into_iter().find(|file| file.is_file()).unwrap();
        assert_eq!(found.canonicalize().unwrap(), image.canonicalize().unwrap());
    }
}
