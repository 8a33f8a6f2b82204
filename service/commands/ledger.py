"""ledger: its head, its key, and what it proves of a recording."""

import argparse
import json
from pathlib import Path
from uuid import UUID

from core.settings import Settings
from service.commands.family import Commands, a_file, command


def add_to(commands: Commands) -> None:
    """Add this family's command."""
    ledger = command(commands, "ledger", "证据台账 the ledger: signed heads and proofs", run_ledger)
    actions = ledger.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("head", help="最新签名树头 print the newest signed head")
    actions.add_parser("sign", help="立即签名并封存 sign the present head and seal it")
    actions.add_parser("key", help="验证公钥 print the verifier key; give it to auditors out of band")
    prove = actions.add_parser("prove", help="一条录音的证明 write the proof of one recording as JSON")
    prove.add_argument("--recording", type=UUID, required=True)
    prove.add_argument("--to", type=Path, default=None, help="file (default: standard output)")
    check = actions.add_parser("check", help="离线核对证明 check a proof without database or store")
    check.add_argument("proof", type=a_file)
    check.add_argument("--key", required=True, help="the verifier key: NAME+NUMBER+BASE64")


async def run_ledger(settings: Settings, options: argparse.Namespace) -> int:
    if options.action == "check":
        return _check(options)
    return await _with_archive(settings, options)


async def _with_archive(settings: Settings, options: argparse.Namespace) -> int:
    from archive.evidence import recording_proof
    from archive.heads import newest_head, sign_head
    from archive.ledger_key import ledger_key
    from core.clock import utc_now
    from retention.rule import keep_until
    from service.wiring import open_archive

    key, until = ledger_key(settings), keep_until(settings, utc_now())
    if options.action == "key":
        print(key.verifier)
        return 0
    async with open_archive(settings) as archive:
        if options.action == "prove":
            proof = await recording_proof(archive, options.recording, key, retain_until=until)
            text = json.dumps(proof, ensure_ascii=False, indent=1) + "\n"
            if options.to is None:
                print(text, end="")
            else:
                options.to.write_text(text, encoding="utf-8")
            return 0
        signing = options.action == "sign"
        signed = await (sign_head(archive, key, retain_until=until) if signing else newest_head(archive))
    print(signed.note if signed else "还没有签名的树头 no head has been signed yet", end="" if signed else "\n")
    return 0 if signed else 1


def _check(options: argparse.Namespace) -> int:
    from archive.evidence import check_proof
    from core.note import VerifierKey

    try:
        proof = json.loads(options.proof.read_text(encoding="utf-8"))
        head = check_proof(proof, VerifierKey.parse(options.key))
    except (ValueError, KeyError, TypeError) as error:
        print(f"证明不成立 the proof does not hold: {error}")
        return 1
    for entry in proof["entries"]:
        said = json.loads(entry["leaf"])
        print(f"{entry['index']:>10}  {said['at']}  {said['kind']}  {said['actor']}")
    print(f"证明成立 the proof holds: {len(proof['entries'])} rows in a signed log of {head.size}, {head.origin}")
    return 0
