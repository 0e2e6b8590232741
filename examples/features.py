"""Which of these photos show the same kind of thing? features.py MODEL GOOD/ BAD/ PHOTO...   (needs scikit-learn too)

A classifier of your own on the features of a network that was trained on other pictures: give it two folders.
"""
import pathlib
import sys

import residua
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if len(sys.argv) < 5:
    sys.exit("usage: features.py MODEL FOLDER FOLDER PHOTO...")
folders = [sorted(pathlib.Path(folder).iterdir()) for folder in sys.argv[2:4]]
kinds = [kind for kind, photos in enumerate(folders) for _ in photos]
classifier = make_pipeline(residua.FeatureExtractor(sys.argv[1]), StandardScaler(), LogisticRegression())
classifier.fit(folders[0] + folders[1], kinds)
for photo, kind in zip(sys.argv[4:], classifier.predict(sys.argv[4:])):
    print(f"{photo}: like those in {sys.argv[2 + kind]}")
