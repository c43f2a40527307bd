"""Errors as problem details: what every answer of a kind says."""

from service.web.problems import problem_response


def test_what_is_away_says_when_to_ask_again() -> None:
    assert problem_response(503, "Unavailable").headers["Retry-After"] == "2"
    assert problem_response(503, "Unavailable", headers={"Retry-After": "9"}).headers["Retry-After"] == "9"
    assert "Retry-After" not in problem_response(422, "Not accepted").headers
