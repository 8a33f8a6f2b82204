"""The bag's tag files: what it is, how to check it, and our signature over its manifests."""

from pathlib import Path

from archive.layout import software_version
from core.note import SigningKey
from retention.handover.bag import TAG_MANIFESTS, file_hashes, write_declaration, write_manifests
from retention.handover.journal import Journal
from retention.handover.proving import checkpoint_of
from retention.handover.scope import Scope
from retention.handover.tables import Export
from retention.handover.vcon import DRAFT

VERIFIER = "verify_handover.py"
SIGNATURE = "handover.note"
README = "README.txt"
FORMAT = "huiyin-handover/1"

TEXT = """回音录音资料移交包
====================

这是一个 BagIt 包（RFC 8493）。请用浏览器打开 data/index.html 查阅，无需联网。

本包中的姓名、电话号码、录音和文字都是完整的，未作脱敏：移交的对象是资料的所有者。请按个人信息保护规定保管。

怎样核对
  1. 通过本包以外的途径（书面、当面）取得验证公钥，形如 名称+8位编号+Base64。
  2. python3 verify_handover.py --key '验证公钥' 本目录或压缩包
     需要 Python 3.9 以上和 cryptography 库，不需要网络，也不需要本系统。
     为防本包中的程序被替换，宜使用从别处取得的同名程序。
  3. 也可以用任何 BagIt 工具核对文件是否完整，例如 bagit.py --validate。

内容
  data/recordings/…/audio.flac            录音：左声道回访员，右声道市民
  data/recordings/…/metadata.json         封存时的通话信息
  data/recordings/…/transcript.vN.json    文字，各版本
  data/recordings/…/vcon.json             同一通话的 vCon（{draft}）
  data/recordings/…/record.json           目录记录、工单关联、回访结论、暂停请求
  data/recordings/…/proof.json            证据台账对这条录音的证明（huiyin-proof/1）
  data/work-orders.xlsx、data/work-orders/…   工单与关联
  data/imports/…、data/reports/…、data/certificates/…
                                          工单来源的导入文件、范围内的报表、处置证书（清单见 data/papers.html）
  data/ledger/…                           签名树头、一致性证明、上述凭证的证明、验证公钥
  handover.note                           对清单的签名（Ed25519，C2SP signed-note）

Handover of recordings by Huiyin
================================

This is a BagIt bag (RFC 8493).  Open data/index.html in a browser; no network is needed.

Names, telephone numbers, sound and text are complete, nothing is masked: a handover is to the owner of the data.

To check it: get the verifier key on another way than this bag, then
  python3 verify_handover.py --key 'NAME+NUMBER+BASE64' DIRECTORY-or-ZIP
It needs Python 3.9 and the cryptography library, no network and nothing of ours.  Best use a copy of it that did not
come with the bag.  URLs in vcon.json are relative to it.  Imported files, reports and certificates of disposal are
listed in data/papers.html and proved by data/ledger/papers.jsonl; an imported file goes with a handover of everything
or of a period, not of one order or case.
"""


def write_tag_files(bag: Path, journal: Journal, export: Export, scope: Scope, key: SigningKey, owner: str) -> None:
    """Everything beside the payload but the tag manifests."""
    for name in TAG_MANIFESTS:
        (bag / name).unlink(missing_ok=True)
    (bag / README).write_text(TEXT.format(draft=DRAFT), encoding="utf-8", newline="\n")
    (bag / VERIFIER).write_bytes(Path(__file__).with_name(VERIFIER).read_bytes())
    write_manifests(bag, journal)
    write_declaration(bag, _info(export, scope, owner), journal)
    signed = sorted(one.name for one in bag.iterdir() if one.is_file() and one.name != SIGNATURE)
    (bag / SIGNATURE).write_text(key.sign(_statement(bag, export, signed)), encoding="utf-8", newline="\n")


def _info(export: Export, scope: Scope, owner: str) -> dict[str, str]:
    return {
        "Source-Organization": " ".join(owner.split()),
        "External-Identifier": str(export.id),
        "External-Description": " ".join(scope.chinese().split()),
        "Bagging-Date": f"{export.head_at or export.asked_at:%Y-%m-%d}",
        "Bag-Software-Agent": f"huiyin {software_version()}",
    }


def _statement(bag: Path, export: Export, names: list[str]) -> str:
    """What is signed: which export, the ledger's head, and the hash of every tag file before this one."""
    head = checkpoint_of(export.head)
    lines = [FORMAT, str(export.id), f"head {head.size} {head.root.hex()}"]
    lines += [f"sha256 {file_hashes(bag / name)['sha256']} {name}" for name in names]
    return "\n".join(lines) + "\n"
