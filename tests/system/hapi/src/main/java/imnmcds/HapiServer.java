package imnmcds;

import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.batch2.maintenance.JobMaintenanceServiceImpl;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.MemoryBinaryStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.interceptor.CorsInterceptor;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import jakarta.persistence.EntityManagerFactory;
import java.util.List;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.beans.factory.config.DependencyDescriptor;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.ContextAnnotationAutowireCandidateResolver;
import org.springframework.context.annotation.Import;
import org.springframework.data.repository.Repository;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.web.cors.CorsConfiguration;

/** A HAPI FHIR JPA server (R4, H2 in memory) on 127.0.0.1, for tests only: no security, nothing kept. */
@Configuration
@Import({
    JpaR4Config.class, // every R4 resource: DAO, provider, search
    HapiJpaConfig.class, // paging provider, stale-search removal
    ThreadPoolFactoryConfig.class,
    JpaBatch2Config.class, // batch framework (JpaR4Config needs its beans, $export its jobs)
    Batch2JobsConfig.class,
    SubscriptionChannelConfig.class // the in-memory message broker of the batch framework
})
public class HapiServer {

    @Bean
    public JpaStorageSettings storageSettings() {
        JpaStorageSettings s = new JpaStorageSettings();
        boolean integrity = Boolean.parseBoolean(System.getProperty("integrity", "true"));
        s.setEnforceReferentialIntegrityOnWrite(integrity);
        s.setEnforceReferentialIntegrityOnDelete(integrity);
        s.setAutoCreatePlaceholderReferenceTargets(Boolean.getBoolean("placeholders"));
        s.setAllowExternalReferences(true);
        s.setReuseCachedSearchResultsForMillis(Long.getLong("reuse.ms")); // unset: every search is fresh
        s.setMarkResourcesForReindexingUponSearchParameterChange(false);
        s.setPreExpandValueSets(false);
        return s;
    }

    @Bean
    public PartitionSettings partitionSettings() {
        return new PartitionSettings();
    }

    @Bean
    public SubscriptionSettings subscriptionSettings() {
        return new SubscriptionSettings();
    }

    @Bean
    public IBinaryStorageSvc binaryStorage() {
        return new MemoryBinaryStorageSvcImpl();
    }

    @Bean
    public DataSource dataSource() {
        BasicDataSource ds = new BasicDataSource();
        ds.setUrl("jdbc:h2:mem:fhir;DB_CLOSE_DELAY=-1");
        ds.setMaxTotal(20);
        return ds;
    }

    @Bean
    public LocalContainerEntityManagerFactoryBean entityManagerFactory(
            ConfigurableListableBeanFactory factory, DataSource ds, FhirContext ctx, JpaStorageSettings settings) {
        LocalContainerEntityManagerFactoryBean emf =
                HapiEntityManagerFactoryUtil.newEntityManagerFactory(factory, ctx, settings);
        Properties p = new Properties();
        p.put("hibernate.dialect", HapiFhirH2Dialect.class.getName());
        p.put("hibernate.hbm2ddl.auto", "create");
        p.put("hibernate.search.enabled", "false"); // no Lucene: no _content, _text, $lastn
        emf.setPersistenceUnitName("HAPI_PU");
        emf.setDataSource(ds);
        emf.setJpaProperties(p);
        return emf;
    }

    @Bean
    public JpaTransactionManager transactionManager(EntityManagerFactory emf) {
        return new JpaTransactionManager(emf);
    }

    static AnnotationConfigApplicationContext spring() {
        AnnotationConfigApplicationContext app = new AnnotationConfigApplicationContext();
        if (!Boolean.getBoolean("eager")) { // start faster: make beans and repositories when first used
            app.getDefaultListableBeanFactory()
                    .setAutowireCandidateResolver(new ContextAnnotationAutowireCandidateResolver() {
                        @Override
                        protected boolean isLazy(DependencyDescriptor d) {
                            return super.isLazy(d) || Repository.class.isAssignableFrom(d.getDependencyType());
                        }
                    });
            app.addBeanFactoryPostProcessor(f -> {
                for (String name : f.getBeanDefinitionNames()) {
                    f.getBeanDefinition(name).setLazyInit(!name.startsWith("batch2ProcessingChannel"));
                }
            });
        }
        app.getBeanFactory().addBeanPostProcessor(new BeanPostProcessor() {
            @Override
            public Object postProcessAfterInitialization(Object bean, String name) {
                if (bean instanceof JobMaintenanceServiceImpl jobs) {
                    jobs.setScheduledJobFrequencyMillis(500); // a minute by default: $export takes many
                }
                return bean;
            }
        });
        app.register(HapiServer.class);
        app.refresh();
        return app;
    }

    static RestfulServer servlet(AnnotationConfigApplicationContext app) {
        RestfulServer server = new RestfulServer(app.getBean(FhirContext.class));
        server.registerProviders(
                app.getBean("myResourceProvidersR4", ResourceProviderFactory.class).createProviders());
        server.registerProvider(app.getBean(IJpaSystemProvider.class));
        server.registerProvider(app.getBean(BulkDataExportProvider.class));
        server.setServerConformanceProvider(new JpaCapabilityStatementProvider(
                server,
                app.getBean(IFhirSystemDao.class),
                app.getBean(JpaStorageSettings.class),
                app.getBean(ISearchParamRegistry.class),
                app.getBean(IValidationSupport.class)));
        DatabaseBackedPagingProvider paging = app.getBean(DatabaseBackedPagingProvider.class);
        paging.setDefaultPageSize(Integer.getInteger("page.default", 20)); // the starter's numbers
        paging.setMaximumPageSize(Integer.getInteger("page.max", 200));
        server.setPagingProvider(paging);
        server.setDefaultResponseEncoding(EncodingEnum.JSON);
        server.registerInterceptor(new CorsInterceptor(everyOrigin()));
        return server;
    }

    static CorsConfiguration everyOrigin() { // a client in a browser may read, search and load
        CorsConfiguration cors = new CorsConfiguration();
        cors.setAllowedOrigins(List.of("*"));
        cors.setAllowedHeaders(List.of("*"));
        cors.setAllowedMethods(List.of("GET", "POST", "PUT", "DELETE", "OPTIONS"));
        cors.setExposedHeaders(List.of("Location", "Content-Location"));
        return cors;
    }

    public static void main(String[] args) throws Exception {
        long t0 = System.currentTimeMillis();
        AnnotationConfigApplicationContext app = spring();
        Server jetty = new Server();
        ServerConnector http = new ServerConnector(jetty);
        http.setHost("127.0.0.1");
        http.setPort(Integer.getInteger("port", 0));
        jetty.addConnector(http);
        ServletContextHandler root = new ServletContextHandler("/");
        ServletHolder holder = new ServletHolder("fhir", servlet(app));
        holder.setInitOrder(1);
        root.addServlet(holder, "/fhir/*");
        jetty.setHandler(root);
        jetty.start();
        System.out.println("READY http://127.0.0.1:" + http.getLocalPort() + "/fhir after "
                + (System.currentTimeMillis() - t0) + " ms");
        if (Boolean.getBoolean("exit.on.eof")) { // dies with the test run that started it
            while (System.in.read() >= 0) {}
            System.exit(0);
        }
        jetty.join();
    }
}
