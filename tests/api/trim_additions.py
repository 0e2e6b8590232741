"""Takes what may be added out of a library's interface: trim_additions.py BASELINE.abi LIBRARY.abi writes the rest to stdout.

Both are abidw's XML. Structs that start with struct_size may grow at the end, since the library looks at no more than the
size given; enumerations may get new names. What is left must equal the baseline, which is abidiff's to judge.
"""
import sys
import xml.etree.ElementTree as xml


def by_name(root, tag):
    return {element.get("name"): element for element in root.iter(tag) if element.get("name", "").startswith("residua_")}


def offset(member):
    return int(member.get("layout-offset-in-bits"))


baseline, library = (xml.parse(path).getroot() for path in sys.argv[1:3])
recorded_structs = by_name(baseline, "class-decl")
for name, struct in by_name(library, "class-decl").items():
    members = struct.findall("data-member")
    recorded = recorded_structs.get(name)
    if recorded is None or not members or members[0].find("var-decl").get("name") != "struct_size":
        continue
    last = max((offset(member) for member in recorded.findall("data-member")), default=0)
    for member in members:
        if offset(member) > last:
            struct.remove(member)
    struct.set("size-in-bits", min(struct.get("size-in-bits"), recorded.get("size-in-bits"), key=int))

recorded_enumerations = by_name(baseline, "enum-decl")
for name, enumeration in by_name(library, "enum-decl").items():
    if name in recorded_enumerations:
        known = {enumerator.get("name") for enumerator in recorded_enumerations[name].findall("enumerator")}
        for enumerator in enumeration.findall("enumerator"):
            if enumerator.get("name") not in known:
                enumeration.remove(enumerator)

xml.ElementTree(library).write(sys.stdout.buffer)
