/** data2vec of texts. */
package dev.attune.model.data2vec;
