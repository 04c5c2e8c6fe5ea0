//! The files themselves, checked by the tools that read them.
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Exposure that `systemd-analyze security` may find at most, in tenths.
const EXPOSURE: &str = "20";

fn deploy(file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("examples/deploy").join(file)
}

fn systemd_analyze(arguments: &[&str], unit: &Path) -> (bool, String) {
    let output: Output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .env("SYSTEMD_LOG_LEVEL", "info")
        .output()
        .expect("systemd-analyze is there: tests/run installs the package systemd");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    (output.status.success(), printed)
}

#[test]
fn unit_file_is_understood_by_systemd() {
    let text = fs::read_to_string(deploy("restante.service")).expect("a unit file");
    let text = text.replace("/usr/bin/restante", env!("CARGO_BIN_EXE_restante"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let unit = folder.path().join("restante.service");
    fs::write(&unit, text).expect("a file");
    let (is_fine, printed) = systemd_analyze(&["verify", "--man=no"], &unit);
    // systemd before 253 does not know this type, says so, and takes the one before it
    let complaints = printed
        .lines()
        .filter(|line| !line.ends_with("Failed to parse service type, ignoring: notify-reload"));
    let complaints: Vec<&str> = complaints.collect();
    assert!(is_fine && complaints.is_empty(), "{printed}");
}

#[test]
fn unit_leaves_the_server_hardly_anything_it_does_not_need() {
    let threshold = format!("--threshold={EXPOSURE}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    let (is_below, printed) = systemd_analyze(&arguments, &deploy("restante.service"));
    let last = printed.lines().last().unwrap_or_default();
    assert!(is_below, "{last}");
}

#[test]
fn configuration_that_is_installed_is_understood_and_names_the_folder_of_the_unit() {
    let text = fs::read_to_string(deploy("restante.toml")).expect("a configuration");
    let config = restante::config::Config::parse(&text, []).expect("it is understood");
    assert_eq!(config.server.data, Path::new("/var/lib/restante"));
    let unit = fs::read_to_string(deploy("restante.service")).expect("a unit file");
    assert!(unit.contains("StateDirectory=restante\n"));
}

#[test]
fn environment_of_the_image_is_understood_once_the_address_of_the_machine_is_told() {
    let text = fs::read_to_string(deploy("Dockerfile")).expect("a Dockerfile");
    let words = text.split_whitespace().filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        let is_ours = name.starts_with("RESTANTE_") && name.contains("__");
        is_ours.then(|| (name.to_owned(), value.to_owned()))
    });
    let mut variables: Vec<_> = words.collect();
    assert!(variables.len() >= 4, "{variables:?}");
    let lacking = restante::config::Config::parse("", variables.clone()).map(drop);
    let lacking = lacking.expect_err("nobody knows the address").to_string();
    assert!(
        lacking.starts_with("`sip.advertise` must be set"),
        "{lacking}"
    );
    for room in ["SIP", "MSRP"] {
        let name = format!("RESTANTE_{room}__ADVERTISE");
        variables.push((name, "im.example.com".into()));
    }
    let config = restante::config::Config::parse("", variables).expect("it is understood");
    assert!(config.http.listen.ip().is_unspecified());
}

#[test]
fn shell_scripts_are_sound() {
    for script in ["restantectl", "package", "debian/postinst", "debian/postrm"] {
        let checked = Command::new("sh").arg("-n").arg(deploy(script)).status();
        assert!(checked.is_ok_and(|status| status.success()), "{script}");
    }
}

#[test]
fn package_takes_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("valid TOML");
    let package = &manifest["package"]["metadata"]["deb"];
    let assets = package["assets"].as_array().expect("a list of assets");
    for asset in assets {
        let source = asset[0].as_str().expect("where it comes from");
        let folder = source
            .split('*')
            .next()
            .expect("what stands before a pattern");
        // what is built is not there before
        let is_built = source.starts_with("target/");
        assert!(is_built || root.join(folder).exists(), "{source}");
    }
    for file in ["restante.service", "restante.sysusers"] {
        assert!(
            deploy(file).exists(),
            "{file} goes into the package by its name"
        );
    }
}
