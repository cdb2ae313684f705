/// Post-norm encoders. Devlin et al. 2019 (BERT), Liu et al. 2019 (RoBERTa), Sanh et al. 2019
/// (DistilBERT); names and sizes as in transformers.
#pragma once
#include "model/model.h"

extern const Arch bert_arch, roberta_arch, distilbert_arch;
