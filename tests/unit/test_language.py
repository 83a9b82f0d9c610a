"""Language by script and model, on short and mixed text."""

from __future__ import annotations

import pytest

from retrieval.analysis.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Reset your password", "en"),
        ("hello", "en"),
        ("怎么重置密码", "zh"),
        ("AX-1200 保修期多久", "zh"),
        ("使用 Kubernetes 部署 PostgreSQL 的方法", "zh"),
        ("パスワードをリセットする", "ja"),
        ("東京都の人口は何人ですか", "ja"),
        ("비밀번호를 재설정하는 방법", "ko"),
        ("¿Dónde está la biblioteca municipal?", "es"),
        ("Der Server antwortet nicht auf Anfragen", "de"),
        ("Le serveur ne répond pas aux requêtes", "fr"),
        ("Сервер не отвечает на запросы пользователей", "ru"),
        ("เซิร์ฟเวอร์ไม่ตอบสนอง", "th"),
        ("Ο διακομιστής δεν αποκρίνεται", "el"),
        ("השרת אינו מגיב", "he"),
        ("《卡美拉》（原名：ガメラ）是1995年上映的日本怪兽电影，卡美拉系列电影的第9部作品。", "zh"),
        ("The word 你好 means hello in Chinese, and it is often the first one learns.", "en"),
        ("", ""),
        ("12345 67-89 %", ""),
        ("AX-1200", ""),
        ("https://example.com/a/b", ""),
    ],
)
def test_language(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_a_menu_at_the_beginning_does_not_decide() -> None:
    menu = "Čeština Deutsch Español Français Hrvatski Slovenščina Srpski српски Türkçe Українська " * 12
    body = "The duck is the common name for numerous species of waterfowl in the family Anatidae. " * 80
    assert detect_language(menu + body) == "en"
