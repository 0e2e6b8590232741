"""What is in these photos?  python classify.py MODEL PHOTO...   (pip install '.[photos]' first)"""
import sys

import residua

if len(sys.argv) < 3:
    sys.exit("usage: classify.py MODEL PHOTO...")
model = residua.load(sys.argv[1])
for path, classes in zip(sys.argv[2:], residua.classify(sys.argv[2:], model)):
    for index, label, probability in classes:
        print(f"{path}: class {index}, {label or 'no name'}, {100 * probability:.1f} %")
