import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer.inputs.charsets import decode_text
from template_designer.inputs.dicom_rtstruct import read_rtstruct
from tests.template_designer.inputs import dicom_factory as factory
from tests.template_designer.inputs.test_dicom_rtstruct import SQUARE

WESTERN = (
    "Rückenmark Médula Größe coração CORAÇÃO pâncreas Hjärta pää Cœur Œsophage Niño Åre ÖSOPHAGUS "
    "Pulmón Vésicule Hígado Weiß ÜBER tête fêmur Côlon œil PÉNIS Estômago äußere Lymphödem Nœuds "
    "Øsofagus É hälsa Bläschen"
).split()
PHRASES = ["Moelle épinière", "à gauche", "Rein gauche – été", "Ärzte’s", "3cm²", "Föhn 2°", "5 µm"]
CHINESE = (
    "靶区 脊髓 骨骼 体表轮廓 GTV靶区 心脏 心 肺 左肺 右肾 肝 胃 GTV心 PTV肾 GTV-脊髓 腹主动脉 "
    "下腔静脉 食管 皮肤 肿瘤 L1椎体 椎管 肠道 膀胱 直肠 GTV_左 大血管 靶区1 肿瘤2cm "
    "输尿管 十二指肠 喉 甲状腺"
).split()
JAPANESE = "脊髄 腫瘍 心臓 皮膚 ターゲット 右肺 GTV腫瘍 直腸".split()
KOREAN = "척수 심장 종양 GTV종양 왼쪽폐 피부".split()
RUSSIAN = ["Сердце", "спинной мозг", "ОПУХОЛЬ", "Лёгкое", "Печень 1"]
LATIN_OR_NONE = [["ISO_IR 100"], ["ISO_IR 6"], []]


@pytest.mark.parametrize("name", WESTERN + PHRASES)
def test_western_names_stay(name):
    assert decode_text(name.encode("cp1252"), ["ISO_IR 100"]).text == name
    assert decode_text(name.encode("utf-8"), ["ISO_IR 192"]).text == name
    try:
        raw = name.encode("latin-1")
    except UnicodeEncodeError:
        return
    assert not decode_text(raw, ["ISO_IR 100"]).repaired


@pytest.mark.parametrize("name", WESTERN + PHRASES + CHINESE + JAPANESE + KOREAN + RUSSIAN)
@pytest.mark.parametrize("declared", LATIN_OR_NONE)
def test_utf8_declared_as_something_else_is_repaired(name, declared):
    decoded = decode_text(name.encode(), declared)
    assert decoded.text == name
    assert decoded.repaired


@pytest.mark.parametrize("declared", LATIN_OR_NONE)
@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        *((name, "gbk") for name in CHINESE),
        *((name, "cp932") for name in JAPANESE),
        *((name, "cp949") for name in KOREAN),
        *((name, "cp1251") for name in RUSSIAN),
        *((name, "big5") for name in ("脊髓", "心臟", "皮膚")),
    ],
)
def test_names_in_an_undeclared_set_are_repaired(name, encoding, declared):
    decoded = decode_text(name.encode(encoding), declared)
    assert decoded.text == name
    assert decoded.declared_reading == name.encode(encoding).decode("latin-1")


@pytest.mark.parametrize(
    ("name", "encoding", "declared"),
    [
        ("脊髓", "gb18030", ["GB18030"]),
        ("脊髓", "gbk", ["GBK"]),
        ("Сердце", "iso8859_5", ["ISO_IR 144"]),
        ("척수", "utf-8", ["ISO_IR 192"]),
        ("脊髄", "iso2022_jp", ["", "ISO 2022 IR 87"]),
        ("ﾀｰｹﾞｯﾄ", "shift_jis", ["ISO_IR 13"]),
    ],
)
def test_declared_sets_are_believed(name, encoding, declared):
    decoded = decode_text(name.encode(encoding), declared)
    assert decoded.text == name
    assert not decoded.repaired


def test_escapes_are_read_declared_or_not():
    raw = b"\x1b$)C" + "척수".encode("euc_kr")
    assert decode_text(raw, ["", "ISO 2022 IR 149"]).text == "척수"
    assert decode_text(raw, ["ISO_IR 100"]).text == "척수"
    assert decode_text("脊髄".encode("iso2022_jp"), []).text == "脊髄"


def test_utf8_declared_wrongly_and_unknown_sets():
    assert decode_text("Rückenmark".encode("latin-1"), ["ISO_IR 192"]).text == "Rückenmark"
    assert decode_text("脊髓".encode("gbk"), ["ISO_IR 192"]).text == "脊髓"
    assert decode_text("脊髓".encode("gbk"), ["ISO_IR 999"]).text == "脊髓"
    assert decode_text("脊髓".encode(), ["GB18030"]).text == "脊髓"


@given(st.binary(max_size=20), st.sampled_from([[], ["ISO_IR 100"], ["GB18030"], ["ISO_IR 192"]]))
def test_any_bytes_give_some_text(raw, declared):
    assert isinstance(decode_text(raw, declared).text, str)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126)))
def test_ascii_is_never_touched(text):
    assert decode_text(text.encode(), ["ISO_IR 100"]).text == text


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 6", "ISO_IR 192"])
def test_the_reader_says_what_it_repaired(tmp_path, charset):
    path = factory.write_rtstruct(
        tmp_path / "RS.dcm",
        {"a": [SQUARE], "b": [SQUARE]},
        frame_uid="1.2.3",
        raw_names={"a": "脊髓".encode("gbk"), "b": b"GTV"},
        charset=charset,
    )
    read = read_rtstruct(path)
    assert read.names == ("脊髓", "GTV")
    (warning,) = read.warnings
    assert warning.code == "roi-name-repaired"
    assert "¼¹Ëè" in warning.text
    assert "脊髓" in warning.text
