"""The body frozen: mean of its token vectors, and scikit-learn's logistic regression on them."""

import functools
import time
import warnings
from collections import Counter

import numpy
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from transformers import AutoModel, AutoTokenizer

from plain import pad, tokenize

FOLDS = 5
STRENGTHS = numpy.logspace(-3, 3, 13)  # C, from strong to weak regularisation


@functools.lru_cache(maxsize=2)  # the test texts stay while the training texts change
def mean_features(folder, texts, batch=64):
    """Mean of the last layer over the real tokens of a tuple of texts, [texts, width]."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    ids = tokenize(tokenizer, texts)
    by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    features = numpy.empty((len(ids), model.config.hidden_size), dtype=numpy.float32)
    with torch.inference_mode():
        for start in range(0, len(ids), batch):
            chosen = by_length[start : start + batch]
            inputs = pad(tokenizer, [ids[i] for i in chosen])
            states = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
            features[chosen] = ((states * mask).sum(1) / mask.sum(1)).numpy()
    return features


def fit(features, labels, seed):
    """C by five-fold cross-validation; fewer folds where a class has fewer members, C = 1 where it has one."""
    folds = min(FOLDS, min(Counter(labels).values()))
    if folds < 2:
        return LogisticRegression(max_iter=2000).fit(features, labels), 1.0
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed)
    model = LogisticRegressionCV(
        Cs=STRENGTHS, cv=splits, max_iter=2000, l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False
    )
    model.fit(features, labels)
    return model, float(model.C_)


def run_frozen(folder, train, test, seed):
    started = time.monotonic()
    features = mean_features(folder, tuple(text for text, _ in train))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the weakest C on separable data: CV does not take it
        model, strength = fit(features, [label for _, label in train], seed)
    seconds = time.monotonic() - started
    predicted = model.predict(mean_features(folder, tuple(text for text, _ in test))).tolist()
    return predicted, {"seconds": seconds, "steps": 0, "C": strength}
