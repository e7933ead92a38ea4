use super::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Read;

/// Exports an image of the given layers as buildah does.
fn export(layers: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let blob = |content: &str| {
        let hash: String = Sha256::digest(content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        fs::write(folder.path().join(&hash), content).unwrap();
        serde_json::json!({ "digest": format!("sha256:{hash}") })
    };
    let manifest = serde_json::json!({
        "config": blob(&format!("configuration of {layers:?}")),
        "layers": layers.iter().map(|layer| blob(layer)).collect::<Vec<_>>(),
    });
    fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    folder
}

fn members(archive: &Path) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(File::open(archive).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        (name, content)
    });
    entries.collect()
}

#[test]
fn a_shared_layer_is_stored_once_and_listed_for_each_image() {
    let (first, second) = (export(&["base", "one"]), export(&["base", "two"]));
    let images = [
        Image::new("sample/one", first.path().into()).unwrap(),
        Image::new("sample/two:3", second.path().into()).unwrap(),
    ];
    let archive = first.path().join("archive.tar");
    write(&images, &archive).unwrap();

    let members = members(&archive);
    let content = |name: &str| {
        let member = members.iter().find(|(member, _)| member == name);
        member.unwrap_or_else(|| panic!("no {name}")).1.as_str()
    };
    let list: Value = serde_json::from_str(content("manifest.json")).unwrap();
    let layers_of = |image: usize| -> Vec<&str> {
        let layers = list[image]["Layers"].as_array().unwrap().iter();
        layers.map(|name| content(name.as_str().unwrap())).collect()
    };
    assert_eq!(
        list[0]["RepoTags"],
        serde_json::json!(["sample/one:latest"])
    );
    assert_eq!(list[1]["RepoTags"], serde_json::json!(["sample/two:3"]));
    assert_eq!(layers_of(0), ["base", "one"]);
    assert_eq!(layers_of(1), ["base", "two"]);
    let config = content(list[0]["Config"].as_str().unwrap());
    assert!(config.contains("one"));
    // Three layers, two configurations, the list.
    assert_eq!(members.len(), 6);
}

#[test]
fn a_damaged_layer_is_refused() {
    let folder = export(&["layer"]);
    let image = Image::new("sample", folder.path().into()).unwrap();
    let layer = folder.path().join(image.manifest.layers[0].hash());
    fs::write(layer, "other").unwrap();
    let error = write(&[image], &folder.path().join("archive.tar")).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
}
