package dev.attune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What an application sees: the public types of this package, and nothing of the rooms below. */
class SurfaceTest {
  /** The public types of this package, with those inside them. */
  private static List<Class<?>> publicTypes() throws IOException, URISyntaxException {
    Path classes =
        Path.of(AttuneException.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    List<Class<?>> out = new ArrayList<>();
    try (Stream<Path> files = Files.list(classes.resolve("dev/attune"))) {
      for (Path file : files.sorted().toList()) {
        String name = file.getFileName().toString();
        if (name.endsWith(".class") && !name.equals("package-info.class")) {
          Class<?> type = load("dev.attune." + name.substring(0, name.length() - 6));
          if (isVisible(type)) {
            out.add(type);
          }
        }
      }
    }
    return out;
  }

  private static Class<?> load(String name) {
    try {
      return Class.forName(name, false, SurfaceTest.class.getClassLoader());
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException(e);
    }
  }

  private static boolean isVisible(Class<?> type) {
    return Modifier.isPublic(type.getModifiers())
        && (type.getDeclaringClass() == null || isVisible(type.getDeclaringClass()));
  }

  private static boolean isVisible(int modifiers) {
    return Modifier.isPublic(modifiers) || Modifier.isProtected(modifiers);
  }

  @Test
  void theTypesAreThoseThatWereMeantToBePublic() throws Exception {
    Set<String> names = new TreeSet<>();
    publicTypes().forEach(type -> names.add(type.getName().substring("dev.attune.".length())));
    assertTrue(
        names.containsAll(
            List.of(
                "Trainer",
                "Classifier",
                "MultiLabelClassifier",
                "Regressor",
                "Tagger",
                "QuestionAnswerer",
                "Embedder",
                "MaskFiller",
                "Generator")),
        names::toString);
    for (String internal : List.of("Faults", "RunThread", "Texts")) {
      assertTrue(!names.contains(internal), internal);
    }
  }

  @Test
  void everyModelIsOpenedAndClosedInTheSameWay() throws Exception {
    List<Class<?>> models =
        publicTypes().stream().filter(AutoCloseable.class::isAssignableFrom).toList();
    assertEquals(10, models.size(), models::toString);
    for (Class<?> model : models) {
      if (model == ZeroShotClassifier.class) { // which is nothing without labels
        assertEquals(model, model.getMethod("open", Path.class, List.class).getReturnType());
        assertEquals(
            model, model.getMethod("open", Path.class, List.class, Consumer.class).getReturnType());
      } else {
        assertEquals(model, model.getMethod("open", Path.class).getReturnType());
        assertEquals(model, model.getMethod("open", Path.class, Consumer.class).getReturnType());
      }
      assertEquals(0, model.getMethod("close").getExceptionTypes().length, model::getName);
      assertEquals(0, model.getConstructors().length, model::getName);
    }
  }

  @Test
  void noTypeOfARoomStandsInAPublicSignature() throws Exception {
    List<String> leaks = new ArrayList<>();
    for (Class<?> type : publicTypes()) {
      Set<Type> used = new HashSet<>();
      collect(type.getGenericSuperclass(), used);
      for (Type face : type.getGenericInterfaces()) {
        collect(face, used);
      }
      for (TypeVariable<?> variable : type.getTypeParameters()) {
        collect(variable, used);
      }
      for (Method method : type.getDeclaredMethods()) {
        if (isVisible(method.getModifiers()) && !method.isSynthetic()) {
          collect(method.getGenericReturnType(), used);
          List.of(method.getGenericParameterTypes()).forEach(t -> collect(t, used));
          List.of(method.getGenericExceptionTypes()).forEach(t -> collect(t, used));
        }
      }
      for (Constructor<?> constructor : type.getDeclaredConstructors()) {
        if (isVisible(constructor.getModifiers())) {
          List.of(constructor.getGenericParameterTypes()).forEach(t -> collect(t, used));
        }
      }
      for (Field field : type.getDeclaredFields()) {
        if (isVisible(field.getModifiers())) {
          collect(field.getGenericType(), used);
        }
      }
      for (Type one : used) {
        if (one instanceof Class<?> c && !isAllowed(c)) {
          leaks.add(type.getName() + " shows " + c.getName());
        }
      }
    }
    assertEquals(List.of(), leaks);
  }

  private static boolean isAllowed(Class<?> type) {
    if (type.isArray()) {
      return isAllowed(type.getComponentType());
    }
    return type.isPrimitive()
        || type.getName().startsWith("java.")
        || type.getPackageName().equals("dev.attune") && isVisible(type);
  }

  private static void collect(Type type, Set<Type> into) {
    if (type == null || !into.add(type)) {
      return;
    }
    if (type instanceof ParameterizedType generic) {
      collect(generic.getRawType(), into);
      List.of(generic.getActualTypeArguments()).forEach(t -> collect(t, into));
    } else if (type instanceof GenericArrayType array) {
      collect(array.getGenericComponentType(), into);
    } else if (type instanceof WildcardType wildcard) {
      List.of(wildcard.getUpperBounds()).forEach(t -> collect(t, into));
      List.of(wildcard.getLowerBounds()).forEach(t -> collect(t, into));
    } else if (type instanceof TypeVariable<?> variable) {
      List.of(variable.getBounds()).forEach(t -> collect(t, into));
    }
  }
}
