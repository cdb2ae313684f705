/// BERT encoder with a classification head. Devlin et al. 2019; names and sizes as in transformers'
/// BertForSequenceClassification: post-norm layers, pooler, dropout, classifier.
#pragma once
#include "model/model.h"

extern const Arch bert_arch;
