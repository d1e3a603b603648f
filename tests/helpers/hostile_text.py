"""Markup of every kind, and bundles of real runs in which every string is made of it: they are imported as they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy
from hostile_bundles import members, packed

from appcore.config import RunConfig, build
from appcore.storage import checkpoint, removals

# Told apart in a page: an icon, an emoji and a colour that the product does not use, and an address that nobody has.
ATTACK = (
    "<script>window.hacked=1</script><img src=http://evil.invalid/i.png onerror=window.hacked=1> <a href='http://evil.invalid/a'>a</a> "
    "![p](http://evil.invalid/p.png) [c](http://evil.invalid/c) [j](javascript:window.hacked=1) http://evil.invalid/auto www.evil.invalid "
    "me@evil.invalid <http://evil.invalid/angle> $\\href{javascript:window.hacked=1}{m}$ **bold** `code` :red[coloured] :material/skull: "
    ":pizza: %{customdata[0]} =1+1 </style></script>"
)
FORMULA = '=HYPERLINK("http://evil.invalid";"x");@x'


# What a browser would follow or fetch elsewhere, and markup that took effect.
TOOK_EFFECT = """() => {
  const found = [];
  const leads = (target) => {  // a page of this program may carry any text in its query
    const url = URL.canParse(target, document.baseURI) ? new URL(target, document.baseURI) : null;
    return /evil|javascript:/i.test(url?.origin === location.origin ? url.pathname : target);
  };
  for (const node of document.querySelectorAll('a, [href], [src], [action], iframe, object, embed')) {
    for (const name of ['href', 'xlink:href', 'xlink:xlink:href', 'src', 'action', 'data']) {
      const target = node.getAttribute(name);
      if (target && !target.startsWith('#') && leads(target)) found.push(node.tagName + ' ' + name + ' ' + target);
    }
  }
  if (document.querySelector('.katex')) found.push('a formula');
  if (window.hacked) found.push('a script');
  for (const node of document.querySelectorAll('[data-testid=stIconMaterial]')) if (/skull/.test(node.textContent)) found.push('an icon');
  if (document.body.innerText.includes('\\u{1F355}')) found.push('an emoji');
  for (const node of document.querySelectorAll('strong, b, code, em')) if (/^(bold|code)$/.test(node.textContent)) found.push('emphasis');
  for (const node of document.querySelectorAll('span, small')) if (node.textContent === 'coloured') found.push('a colour');
  if (document.querySelector('[data-testid=stException]')) found.push('an exception');
  return found;
}"""


def every_string(bundle: Path, to: Path, attack: str = ATTACK) -> Path:
    """The bundle with the attack in every string that it may choose, its files made to fit."""
    content = members(bundle)
    record, lines = json.loads(content["run.json"]), [json.loads(line) for line in content["events.jsonl"].splitlines()]
    names = {layer["name"]: f"{attack} {number}" for number, layer in enumerate(record["started"]["layers"])}
    record |= {"title": attack, "error": attack, "notes": [attack, FORMULA], "versions": {attack: attack, "torch": attack}}
    record |= {"group": attack[:40], "launcher": attack[:20]}
    record["config"] |= {"dataset": f"images:{attack}", "exempt": [attack.replace(",", "")]}
    record["progress"] = {**(record["progress"] or {}), "phase": attack}
    started = record["started"]
    started |= {"device": attack, "precision": attack, "notes": [attack]}
    started["hashes"] = {**dict.fromkeys(started["hashes"], attack), attack: attack}
    record["totals"]["weights_hash"] = attack
    record["totals"]["phase_seconds"] = {attack: 1.0, FORMULA: 2.0}
    for node in started["graph"]:
        node |= {"name": names.get(node["name"], attack)} if node["name"] else {"kind": attack}
    for layer in started["layers"]:
        layer["name"] = names[layer["name"]]
    for line in lines:
        for event in line.values():
            if isinstance(event, dict):
                _attack(event, names, attack)
    content |= {"run.json": json.dumps(record).encode(), "events.jsonl": "\n".join(map(json.dumps, lines)).encode()}
    for name in [name for name in content if name.endswith(".safetensors")]:
        content[name] = _renamed(content[name], names, to.parent)
    _sealed(content, build({name: field.default for name, field in RunConfig.model_fields.items()} | record["config"]))
    return packed(to, content)


def _attack(event: dict[str, Any], names: dict[str, str], attack: str) -> None:
    for layer in event.get("layers", ()):
        layer["name"] = names[layer["name"]]
    if "order_hash" in event:
        event["order_hash"] = attack
    if "facts" in event:
        event["facts"] = {"collapsed_channels": dict.fromkeys(names.values(), 1), attack: attack}


def _renamed(data: bytes, names: dict[str, str], folder: Path) -> bytes:
    """The tensors under the new names of their layers."""
    path = folder / "renamed.safetensors"
    path.write_bytes(data)
    with safetensors.safe_open(path, framework="numpy") as file:
        about, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
    group = lambda name: name.partition("/")[0] + "/" if "/" in name else ""  # noqa: E731
    tensors = {
        group(name) + names.get(name.removeprefix(group(name)), name.removeprefix(group(name))): one for name, one in tensors.items()
    }
    if "shapes" in about:
        shapes = {names[name]: shape for name, shape in json.loads(about["shapes"]).items()}
        about = {"shapes": json.dumps(shapes), "sha256": removals.digest(tensors)}
    return safetensors.numpy.save(tensors, metadata=about or None)


def _sealed(content: dict[str, bytes], config: RunConfig) -> None:
    """A manifest of the checkpoint that fits its changed tensors and settings."""
    (name,) = [name for name in content if name.startswith("checkpoint-") and name.endswith(".json")]
    data = content[name.replace(".json", ".safetensors")]
    body = json.loads(content[name])["manifest"]
    body |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "fingerprint": config.fingerprint}
    content[name] = checkpoint.manifest_text(body).encode()
