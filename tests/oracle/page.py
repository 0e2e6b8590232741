"""The HTML report of `residua evaluate`, opened in headless Chromium. Needs selenium, and Debian's chromium and chromium-driver.

A real evaluation of the 50 photos. Good, in a wide and in a narrow window, light and dark: nothing on the console, nothing asked
of any network, every picture decoded, nothing wider than the window, and the numbers that the JSON has. A page with four mistakes
must be found out first, so that silence says something. --screenshots FOLDER keeps pictures to look at.
"""
import json
import shutil
import sys
import tempfile
from pathlib import Path

from selenium import webdriver

import oracle

NAME = "resnet18"
WINDOWS = {"wide": (1280, 900), "narrow": (500, 800)}
SCHEMES = ("light", "dark")
BROKEN = """<!doctype html><title>broken</title><img src="data:image/png;base64,AAAA"><img src="http://example.org/picture.png">
<div style="width: 4000px">wide</div><script>undefinedFunction()</script>"""
KINDS = ("undefinedFunction is not defined", "asked for http", "are not shown", "in a window of")  # its mistakes, as they are told


def browser(width, height):
    options = webdriver.ChromeOptions()
    # No sandbox: containers run as root. No name resolves: what the page asks for would fail, and be seen.
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
                 f"--window-size={width},{height}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.binary_location = shutil.which("chromium")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


def asked_for(driver):
    """The addresses that the page asked for, without what is in itself."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    sent = (message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent")
    return [address for address in sent if not address.startswith("data:")]


def mistakes(driver, path):
    """What is wrong with the page, in words."""
    driver.get_log("performance")
    driver.get_log("browser")
    driver.get(path.as_uri())
    found = [f"console: {entry['message']}" for entry in driver.get_log("browser")]
    found += [f"asked for {address}" for address in asked_for(driver) if address != path.as_uri()]
    broken = driver.execute_script("return [...document.images].filter(i => !i.complete || i.naturalWidth === 0).length")
    if broken:
        found.append(f"{broken} pictures are not shown")
    wide, window = driver.execute_script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    if wide > window:
        found.append(f"{wide} pixels wide in a window of {window}")
    return found


def missing_numbers(driver, report):
    """What the JSON has and the page does not show."""
    text = driver.execute_script("return document.body.innerText")
    wanted = [f"{report[key]['right']} of {report['images']} images" for key in ("top1", "top5")]
    wanted += [report["weights_sha256"]]
    wanted += [entry[key]["label"] for entry in report["confusions"] for key in ("truth", "guess")]
    return [word for word in wanted if word not in text]


def main():
    parser = oracle.arguments(__doc__)
    parser.add_argument("--screenshots", type=Path, help="keep pictures of the page in this folder")
    options = parser.parse_args()
    tool = oracle.Tool(options.tool)
    oracle.make_models(options, (NAME,))
    results = oracle.Results("window" + " " * 6, "scheme" + " " * 6, "found" + " " * 40, "verdict")
    with tempfile.TemporaryDirectory() as folder:
        page, broken, figures = (Path(folder) / name for name in ("page.html", "broken.html", "report.json"))
        photos = options.data / "imagenet50"
        tool.call("evaluate", "--model", options.models / f"{NAME}.safetensors", "--labels-file", photos / "labels.tsv",
                  "--html", page, "--json", figures, photos)
        broken.write_text(BROKEN)
        report = json.loads(figures.read_text())
        for window, size in WINDOWS.items():
            driver = browser(*size)
            try:
                found = mistakes(driver, broken)
                missed = [kind for kind in KINDS if not any(kind in words for words in found)]
                results.row(not missed, window, "-", "a broken page: " + (f"not {missed[0]}" if missed else "all of it"))
                for scheme in SCHEMES:
                    driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                           {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
                    found = mistakes(driver, page) + [f"not shown: {word}" for word in missing_numbers(driver, report)]
                    results.row(not found, window, scheme, "; ".join(found[:3]) or "nothing")
                    if options.screenshots:
                        options.screenshots.mkdir(parents=True, exist_ok=True)
                        driver.save_screenshot(str(options.screenshots / f"{window}-{scheme}.png"))
            finally:
                driver.quit()
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
