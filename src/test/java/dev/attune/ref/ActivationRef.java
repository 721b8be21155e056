package dev.attune.ref;

/** Element-wise activations and their derivatives. */
public enum ActivationRef {
  NONE,
  GELU,
  GELU_TANH,
  TANH,
  RELU,
  SILU,
  QUICK_GELU,
  GELU_10,
  SIGMOID,
  MISH,
  LAPLACE,
  LEAKY_RELU,
  RELU6,
  RELU_SQUARED,
  HARD_SWISH;

  private static final double QUICK = 1.702;
  private static final double MEAN = 0.707107;
  private static final double DEVIATION = 0.282095;
  private static final double LEAK = 0.01;
  private static final double CUBIC = 0.044715;
  private static final double SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

  /** act(x). */
  public double value(Precision p, double x) {
    return switch (this) {
      case NONE -> x;
      case GELU ->
          p == Precision.EXACT
              ? 0.5 * x * erfc(-x / Math.sqrt(2))
              : p.f32(p.f32(0.5 * x) * p.f32(1 + p.f32(erf(p.f32(x / Math.sqrt(2))))));
      case GELU_TANH -> p.f32(p.f32(0.5 * x) * p.f32(1 + p.f32(Math.tanh(inner(p, x)))));
      case TANH -> p.f32(Math.tanh(x));
      case RELU -> Double.isNaN(x) ? x : Math.max(x, 0);
      case SILU -> p.f32(x * sigmoid(p, x));
      case QUICK_GELU -> p.f32(x * sigmoid(p, p.f32(QUICK * x)));
      case GELU_10 -> Math.min(10, GELU.value(p, x));
      case SIGMOID -> sigmoid(p, x);
      case MISH -> p.f32(x * p.f32(Math.tanh(p.f32(softplus(x)))));
      case LAPLACE ->
          p == Precision.EXACT
              ? 0.5 * erfc(-standardized(p, x) / Math.sqrt(2))
              : p.f32(0.5 * p.f32(1 + p.f32(erf(standardized(p, x) / Math.sqrt(2)))));
      case LEAKY_RELU -> x > 0 ? x : p.f32(LEAK * x);
      case RELU6 -> Math.min(6, RELU.value(p, x));
      case RELU_SQUARED -> p.f32(RELU.value(p, x) * RELU.value(p, x));
      case HARD_SWISH -> p.f32(p.f32(x * RELU6.value(p, p.f32(x + 3))) / 6);
    };
  }

  /** act'(x); at the kink of the rectifier 0, at others that of libtorch. */
  public double derivative(Precision p, double x) {
    return switch (this) {
      case NONE -> 1;
      case GELU -> {
        double cdf = p.f32(0.5 * p.f32(1 + p.f32(erf(p.f32(x / Math.sqrt(2))))));
        double pdf = p.f32(p.f32(Math.exp(p.f32(-0.5 * p.f32(x * x)))) / Math.sqrt(2 * Math.PI));
        yield Math.abs(x) > 1e3 ? (x > 0 ? 1 : 0) : p.f32(cdf + p.f32(x * pdf));
      }
      case GELU_TANH -> {
        double t = p.f32(Math.tanh(inner(p, x)));
        double slope = p.f32(SQRT_2_OVER_PI * p.f32(1 + p.f32(3 * CUBIC * p.f32(x * x))));
        double bell = p.f32(1 - p.f32(t * t));
        yield Math.abs(x) > 1e3
            ? (x > 0 ? 1 : 0)
            : p.f32(p.f32(0.5 * p.f32(1 + t)) + p.f32(p.f32(0.5 * x) * p.f32(bell * slope)));
      }
      case TANH -> {
        double t = p.f32(Math.tanh(x));
        yield p.f32(1 - p.f32(t * t));
      }
      case RELU -> Double.isNaN(x) ? x : (x > 0 ? 1 : 0);
      case SILU -> {
        double s = sigmoid(p, x);
        yield Math.abs(x) > 1e3 ? (x > 0 ? 1 : 0) : p.f32(s * p.f32(1 + p.f32(x * p.f32(1 - s))));
      }
      case QUICK_GELU -> SILU.derivative(p, p.f32(QUICK * x));
      case GELU_10 -> GELU.value(p, x) > 10 ? 0 : GELU.derivative(p, x);
      case SIGMOID -> {
        double s = sigmoid(p, x);
        yield p.f32(s * p.f32(1 - s));
      }
      case MISH -> {
        double t = p.f32(Math.tanh(p.f32(softplus(x))));
        double bell = p.f32(p.f32(1 - p.f32(t * t)) * sigmoid(p, x));
        yield Math.abs(x) > 1e3 ? (x > 0 ? 1 : 0) : p.f32(t + p.f32(x * bell));
      }
      case LAPLACE -> {
        double z = standardized(p, x);
        double height = 1 / (Math.sqrt(2 * Math.PI) * DEVIATION);
        yield p.f32(height * p.f32(Math.exp(p.f32(-0.5 * p.f32(z * z)))));
      }
      case LEAKY_RELU -> Double.isNaN(x) ? x : (x > 0 ? 1 : LEAK);
      case RELU6 -> x >= 6 ? 0 : RELU.derivative(p, x);
      case RELU_SQUARED -> 2 * RELU.value(p, x);
      case HARD_SWISH -> x <= -3 ? 0 : x >= 3 ? 1 : p.f32(p.f32(x / 3) + 0.5);
    };
  }

  /** out = act(inp). */
  public double[] forward(Precision p, double[] inp) {
    double[] out = new double[inp.length];
    for (int i = 0; i < inp.length; i++) {
      out[i] = p.stored(value(p, inp[i]));
    }
    return out;
  }

  /** dinp = old + dout .* act'(inp); {@code old} null: overwritten. */
  public double[] backward(Precision p, double[] dout, double[] inp, double[] old) {
    double[] dinp = new double[inp.length];
    for (int i = 0; i < inp.length; i++) {
      double gradient = p.f32(dout[i] * derivative(p, inp[i]));
      dinp[i] = p.stored(old == null ? gradient : p.f32(old[i] + gradient));
    }
    return dinp;
  }

  private static double sigmoid(Precision p, double x) {
    return p.f32(1 / p.f32(1 + p.f32(Math.exp(-x))));
  }

  /** log(1 + e^x). */
  private static double softplus(double x) {
    return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  }

  private static double standardized(Precision p, double x) {
    return p.f32(p.f32(x - MEAN) / DEVIATION);
  }

  private static double inner(Precision p, double x) {
    return p.f32(SQRT_2_OVER_PI * p.f32(x + p.f32(CUBIC * p.f32(p.f32(x * x) * x))));
  }

  /** The error function: its Taylor series near zero, the continued fraction of erfc beyond. */
  static double erf(double x) {
    if (Math.abs(x) < 2.5) {
      double term = x;
      double sum = x;
      for (int n = 1; Math.abs(term) > 1e-18 * Math.abs(sum) && n < 200; n++) {
        term *= -x * x / n;
        sum += term / (2 * n + 1);
      }
      return 2 / Math.sqrt(Math.PI) * sum;
    }
    return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  }

  /** 1 - erf(x) without cancellation. */
  static double erfc(double x) {
    if (x < 2.5) {
      return 1 - erf(x);
    }
    double fraction = x;
    for (int n = 120; n >= 1; n--) {
      fraction = x + 0.5 * n / fraction;
    }
    return Double.isNaN(x) ? x : Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
  }
}
